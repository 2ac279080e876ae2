import type { AddOnCommands } from './command/add-on-commands.js';
import { type Load, required } from './command/load-installed.js';
import { UsageError } from './command/terminal.js';

/** Commands that other packages bring, and the package of each. A fixed list: no other package is ever loaded. */
const ADD_ONS: ReadonlyMap<string, string> = new Map([
  ['postgres', 'nestjs-aggregate-transport-postgres'],
  ['outbox', 'nestjs-aggregate-transport-postgres'],
  ['inbox', 'nestjs-aggregate-transport-postgres'],
  ['board', 'nestjs-aggregate-transport-board'],
]);

/** The package that brings a command; undefined if it is none of another package. */
export function packageOf(area: string | undefined): string | undefined {
  return area === undefined ? undefined : ADD_ONS.get(area);
}

/**
 * Loads the commands of another package: the one that the project in the working directory has installed, else the one
 * beside this package.
 * @throws UsageError if it is not installed
 */
export async function loadAddOn(area: string, load?: Load): Promise<AddOnCommands> {
  const name = packageOf(area) ?? '';
  const module = (await required(
    { specifier: `${name}/cli`, name, wantedFor: area },
    load,
  )) as Partial<AddOnCommands>;
  if (typeof module.run === 'function') return module as AddOnCommands;
  throw new UsageError(
    `expected ${name} to bring "${area}", found another release; install that of this package`,
  );
}
