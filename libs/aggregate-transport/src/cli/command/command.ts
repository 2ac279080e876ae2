import type { Clock } from '../../clock.js';
import type { Connection } from '../../stream/connection/connection.js';
import { ACCESS_FLAGS } from './access-flags.js';
import type { Terminal } from './terminal.js';

/** The options of a command, and what each takes. */
export type Flags = Readonly<Record<string, 'string' | 'boolean'>>;

export type FlagValues<F extends Flags> = {
  readonly [K in keyof F]?: F[K] extends 'string' ? string : boolean;
};

/** What every command understands. */
export const COMMON = {
  ...ACCESS_FLAGS,
  json: 'boolean',
  help: 'boolean',
} as const;

export interface CommandInput<F extends Flags> {
  readonly flags: FlagValues<F & typeof COMMON>;
  /** What stands on the command line besides the command's name and its options. */
  readonly words: readonly string[];
}

/** What a command works with. */
export interface Surroundings {
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Opens a connection by the common options, and closes it when `use` has ended. */
  readonly connected: (use: (connection: Connection) => Promise<number>) => Promise<number>;
  /** As `connected`, to another server, with its own file of credentials if one is given. */
  readonly connectedTo: (
    server: string,
    creds: string | undefined,
    use: (connection: Connection) => Promise<number>,
  ) => Promise<number>;
}

/** Carries out what was understood. Resolves with the exit code: 0 done, 1 not done. */
export type Prepared = () => Promise<number>;

/** One command, with all that is told of it. */
export interface Command<F extends Flags = Flags> {
  /** Its words: `group reset`. */
  readonly name: string;
  readonly flags: F;
  /** How many words it takes after its name, at most. */
  readonly words: number;
  /** It tries what its user may do: what the server refuses is what it finds, and is not told besides. */
  readonly triesPermissions?: true;
  /** Its lines of help: how it is written, after its name, and what that does. */
  readonly help: readonly (readonly [use: string, what: string])[];
  /**
   * Understands the whole command line. No server is asked before it returns.
   * @throws UsageError
   */
  readonly prepare: (input: CommandInput<F>, surroundings: Surroundings) => Prepared;
}

/** Lets `prepare` know the command's own options by name and kind. */
export function defineCommand<const F extends Flags>(command: Command<F>): Command {
  // What is given to `prepare` was read by these flags.
  return command as unknown as Command;
}
