import type { ConnectOperationsOptions } from '../../operations/connect-options.js';
import type { ACCESS_FLAGS, AccessFlags } from './access-flags.js';
import type { Terminal } from './terminal.js';

/** What the command line gives to the commands of another package. */
export interface AddOnSurroundings {
  /** The options by which every command reaches its servers, as `parseArgs` of `node:util` takes their kinds. */
  readonly accessFlags: typeof ACCESS_FLAGS;
  /**
   * From these options, the environment and the contexts of the `nats` command line to what `connectOperations` takes.
   * Reads the files that they name.
   * @throws UsageError if they contradict each other, or name a file that cannot be read
   */
  readonly accessOf: (flags: AccessFlags) => Promise<ConnectOperationsOptions>;
}

/** What the module `<package>/cli` of another package has to export. */
export interface AddOnCommands {
  /**
   * Carries out `aggregate-transport AREA ARGUMENTS…`, and resolves with the exit code. What it does not understand it
   * throws as an error whose name is `UsageError`.
   */
  readonly run: (
    area: string,
    args: readonly string[],
    terminal: Terminal,
    surroundings: AddOnSurroundings,
  ) => Promise<number>;
}
