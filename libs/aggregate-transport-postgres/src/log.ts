/** Where the relay says what happened. Texts name aggregates, ids and codes; never payloads or credentials. */
export interface Log {
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}
