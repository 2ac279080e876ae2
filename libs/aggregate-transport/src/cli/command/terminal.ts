/** Where a command prints, and asks its user. */
export interface Terminal {
  /** Prints one line. */
  print(text: string): void;
  /** Asks, and resolves with what was typed; undefined if there is no terminal. */
  ask(question: string): Promise<string | undefined>;
}

/** Ends the command with exit code 2: it was not understood, or not confirmed. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** True for an error of this kind, also for one of a package that brings commands of its own. */
export function isUsageError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'UsageError';
}
