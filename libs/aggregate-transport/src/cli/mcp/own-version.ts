import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface Manifest {
  readonly name?: unknown;
  readonly version?: unknown;
}

/** The version of the package that this script belongs to: of the nearest `package.json` above it with a name. */
export function versionAbove(script: string): string {
  const path = realpathSync(script);
  return versionIn(dirname(path));
}

function versionIn(folder: string): string {
  try {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
    // Builds put a package.json with nothing but a type beside their output.
    if (typeof name === 'string' && typeof version === 'string') return version;
  } catch {
    // None here: the next one above may be.
  }
  const above = dirname(folder);
  return above === folder ? 'unknown' : versionIn(above);
}
