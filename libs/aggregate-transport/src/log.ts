/**
 * Where the library says what happened. Each event is logged once, where it is decided.
 * Texts name keys, types, sequences and attempts; never payloads or credentials.
 */
export interface Log {
  info(text: string): void;
  warn(text: string): void;
  /** `error` adds a stack where the sink wants one. */
  error(text: string, error?: unknown): void;
}

export const silentLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
