/** Where the board says what happened. Texts name aggregates, groups and codes; never payloads or credentials. */
export interface Log {
  readonly info: (text: string) => void;
  readonly warn: (text: string) => void;
}
