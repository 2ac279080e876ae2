// Builds both formats and packs a library as `npm publish` would; returns the tarball.
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export const LIBRARIES = ['aggregate-transport', 'aggregate-transport-postgres', 'aggregate-transport-board'];

export function pack(library = LIBRARIES[0]) {
  const folder = mkdtempSync(join(tmpdir(), 'package-'));
  const args = ['pack', '--json', '--loglevel=error', '--pack-destination', folder];
  const output = execFileSync('npm', args, {
    cwd: join(root, 'libs', library),
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  const packed = JSON.parse(output);
  const [{ filename, size, unpackedSize }] = Array.isArray(packed) ? packed : Object.values(packed);
  return { folder, tarball: join(folder, filename), size, unpackedSize };
}
