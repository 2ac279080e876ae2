import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UsageError } from './terminal.js';

/** Loads a module by its name; replaced in tests. */
export type Load = (specifier: string) => Promise<unknown>;

/** A module of a package that the project in the working directory has installed, else of one beside this package. */
async function loadInstalled(specifier: string): Promise<unknown> {
  const project = createRequire(join(process.cwd(), 'package.json'));
  let path: string;
  try {
    path = project.resolve(specifier);
  } catch {
    return import(specifier);
  }
  return import(pathToFileURL(path).href);
}

/**
 * As `load`, and says what to install if the package is missing. One that is installed and fails to load keeps its own
 * error.
 * @throws UsageError
 */
export async function required(
  { specifier, name, wantedFor }: { specifier: string; name: string; wantedFor: string },
  load: Load = loadInstalled,
): Promise<unknown> {
  try {
    return await load(specifier);
  } catch (error) {
    if (!isMissing(error, name)) throw error;
    throw new UsageError(
      `expected ${name} for "${wantedFor}", found it is not installed; run npm install ${name}`,
    );
  }
}

function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const isNotFound = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  return isNotFound && typeof message === 'string' && message.includes(`'${name}`);
}
