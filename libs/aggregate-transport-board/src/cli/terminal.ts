/** What the command line of nestjs-aggregate-transport hands to a command. */
export interface Terminal {
  print(text: string): void;
}

/** Ends the command with exit code 2: it was not understood. Known by its name. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
