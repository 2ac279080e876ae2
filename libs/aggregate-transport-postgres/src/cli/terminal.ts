/** What the command line of nestjs-aggregate-transport hands to a command. */
export interface Terminal {
  print(text: string): void;
  /** Asks, and resolves with what was typed; undefined if there is no terminal. */
  ask(question: string): Promise<string | undefined>;
}

/** Ends the command with exit code 2: it was not understood, or not confirmed. Known by its name. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
