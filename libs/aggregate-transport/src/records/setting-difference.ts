/** A setting of a stream that a promise of this library depends on, and that has another value. */
export interface SettingDifference {
  readonly stream: string;
  /** The setting as the server's API names it; `stream` if the whole stream is missing. */
  readonly setting: string;
  /** The value that it must have, in words. */
  readonly expected: string;
  /** The value that it has, as JSON. */
  readonly found: string;
  /** What breaks with that value, and what to do. */
  readonly remedy: string;
  /** What to do, where taking an edit back is not the answer. */
  readonly todo?: string;
}
