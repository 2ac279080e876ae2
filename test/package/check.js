// npm run check:package: the tarball as publint and are-the-types-wrong see it. Needs no network.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { pack, root } from './pack.js';

const { folder, tarball, size, unpackedSize } = pack();
console.log(`${Math.round(size / 1_000)} kB, unpacked ${Math.round(unpackedSize / 1_000)} kB`);
const run = (...args) =>
  spawnSync('npx', ['--no-install', ...args], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
const results = [run('publint', tarball, '--strict'), run('attw', tarball, '--quiet')];
rmSync(folder, { recursive: true });
process.exitCode = results.every(({ status }) => status === 0) ? 0 : 1;
console.log(process.exitCode === 0 ? 'the package is sound' : 'the package is NOT sound');
