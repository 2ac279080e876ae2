import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AddOnCommands } from './command/add-on-commands.js';
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

/** Loads a module by its name; replaced in tests. */
export type Load = (specifier: string) => Promise<unknown>;

/**
 * Loads the commands of another package: the one that the project in the working directory has installed, else the one
 * beside this package.
 * @throws UsageError if it is not installed
 */
export async function loadAddOn(area: string, load: Load = loadModule): Promise<AddOnCommands> {
  const name = packageOf(area) ?? '';
  let module: Partial<AddOnCommands>;
  try {
    module = (await load(`${name}/cli`)) as Partial<AddOnCommands>;
  } catch (error) {
    if (!isMissing(error, name)) throw error;
    throw new UsageError(
      `expected ${name} for "${area}", found it is not installed; run npm install ${name}`,
    );
  }
  if (typeof module.run === 'function') return module as AddOnCommands;
  throw new UsageError(
    `expected ${name} to bring "${area}", found another release; install that of this package`,
  );
}

async function loadModule(specifier: string): Promise<unknown> {
  const project = createRequire(join(process.cwd(), 'package.json'));
  let path: string;
  try {
    path = project.resolve(specifier);
  } catch {
    return import(specifier);
  }
  return import(pathToFileURL(path).href);
}

/** A package that is installed and fails to load for another reason keeps its own error. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const isNotFound = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  return isNotFound && typeof message === 'string' && message.includes(`'${name}`);
}
