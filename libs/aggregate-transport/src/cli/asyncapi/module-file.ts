import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describeError } from '../../errors.js';
import { UsageError } from '../command/terminal.js';

/** What Nest's `@Module` leaves on a class. Any of these is there, even if it lists nothing. */
const MODULE_KEYS = ['imports', 'controllers', 'providers', 'exports'];

/** A class with `@Module`. */
export type ModuleClass = new (...args: never[]) => unknown;

/** A file of the application, and what it exports that is a module. */
export interface LoadedModule {
  readonly module: ModuleClass;
  /** The nearest `package.json`, if there is one. */
  readonly manifest: { readonly name?: string; readonly version?: string };
  /** Loads a package from where the file lies. */
  readonly loadPackage: (name: string) => Promise<unknown>;
}

/**
 * Loads a file that was built, as an ES module or as CommonJS, and finds the module that it exports. What the file does
 * when it is loaded, it does here, too.
 *
 * @param wanted The name of the export; without it, the only class with `@Module`.
 * @throws UsageError if there is no such file or export
 * @throws Error with the file's own error as `cause` if loading it fails
 */
export async function loadModuleFile(file: string, wanted: string | undefined): Promise<LoadedModule> {
  const path = resolve(file);
  if (!existsSync(path))
    throw new UsageError(
      `expected --module to be a file that was built, found none at ${file}; build it first`,
    );
  let exports: Record<string, unknown>;
  try {
    exports = exportsOf((await import(pathToFileURL(path).href)) as Record<string, unknown>);
  } catch (cause) {
    throw new Error(`expected ${file} to load, found that it fails: ${describeError(cause)}`, { cause });
  }
  return {
    module: moduleIn(exports, file, wanted),
    manifest: manifestOf(dirname(path)),
    loadPackage: (name) => loadFrom(path, name),
  };
}

/** Of CommonJS only those exports have names that Node finds in the text; all are in `default`. */
function exportsOf(namespace: Record<string, unknown>): Record<string, unknown> {
  const { default: whole } = namespace;
  return typeof whole === 'object' && whole !== null ? { ...whole, ...namespace } : namespace;
}

function moduleIn(exports: Record<string, unknown>, file: string, wanted: string | undefined): ModuleClass {
  const found = Object.entries(exports).filter(([, value]) => isModule(value));
  const modules = new Map(found as [string, ModuleClass][]);
  const names = [...modules.keys()].join(', ') || 'none';
  if (wanted !== undefined) {
    const module = modules.get(wanted);
    if (module !== undefined) return module;
    throw new UsageError(`expected ${file} to export the module ${wanted}, found ${names}; correct --export`);
  }
  const classes = new Set(modules.values());
  const [only] = classes;
  if (only !== undefined && classes.size === 1) return only;
  const remedy = only === undefined ? 'give the file of the root module' : 'choose one by --export';
  throw new UsageError(`expected ${file} to export one class with @Module, found ${names}; ${remedy}`);
}

/** `reflect-metadata` is loaded by every file that has decorators. */
function isModule(value: unknown): boolean {
  const { getOwnMetadataKeys } = Reflect as { getOwnMetadataKeys?: (target: object) => unknown[] };
  if (typeof value !== 'function' || getOwnMetadataKeys === undefined) return false;
  return getOwnMetadataKeys(value).some((key) => MODULE_KEYS.includes(key as string));
}

function manifestOf(folder: string): LoadedModule['manifest'] {
  const path = join(folder, 'package.json');
  const above = dirname(folder);
  try {
    const found = JSON.parse(readFileSync(path, 'utf8')) as LoadedModule['manifest'];
    // Builds put a package.json with nothing but a type beside their output.
    if (typeof found.name === 'string') return found;
  } catch {
    // None here, or none that can be read: the next one above may be.
  }
  return above === folder ? {} : manifestOf(above);
}

async function loadFrom(file: string, name: string): Promise<unknown> {
  return import(pathToFileURL(createRequire(file).resolve(name)).href);
}
