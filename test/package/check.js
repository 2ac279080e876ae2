// npm run check:package: each tarball as publint and are-the-types-wrong see it. Needs no network.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { LIBRARIES, pack, root } from './pack.js';

const run = (...args) =>
  spawnSync('npx', ['--no-install', ...args], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  }).status === 0;

function isSound(library) {
  const { folder, tarball, size, unpackedSize } = pack(library);
  console.log(`${library}: ${Math.round(size / 1_000)} kB, unpacked ${Math.round(unpackedSize / 1_000)} kB`);
  const results = [run('publint', tarball, '--strict'), run('attw', tarball, '--quiet')];
  rmSync(folder, { recursive: true });
  return results.every((result) => result);
}

const results = LIBRARIES.map(isSound);
process.exitCode = results.every((result) => result) ? 0 : 1;
console.log(process.exitCode === 0 ? 'the packages are sound' : 'a package is NOT sound');
