export interface Terminal {
  print(text: string): void;
  /** Asks, and resolves with what was typed; undefined if there is no terminal. */
  ask(question: string): Promise<string | undefined>;
}

/** Ends the command with exit code 2: it was not understood, or not confirmed. */
export class UsageError extends Error {}
