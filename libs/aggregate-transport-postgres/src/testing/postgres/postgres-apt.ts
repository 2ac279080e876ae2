import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { moveInto } from './postgres-download.js';
import { runCommand } from './run-command.js';

const APT_WITHIN_MS = 120_000;
const UNPACK_WITHIN_MS = 60_000;
const PROGRAMS = ['initdb', 'postgres'];
/** What `postgresql-NN` needs at run time are libraries. That of the just-in-time compiler is not used, and large. */
const NEEDED = /^lib(?!llvm|perl|python|common)/;

/** Where {@link fetchWithApt} leaves its programs. */
export function aptBinaries(cacheFolder: string): string {
  return join(cacheFolder, 'debian', 'bin');
}

/**
 * Takes the server out of the package archive of Debian or Ubuntu, without root and without installing it, into the
 * cache. The machine's own sources and settings of apt hold: mirror, proxy, signature checks. Only the state folders
 * are ours. Libraries that the machine lacks come along. Several processes may call it at once.
 *
 * @throws Error with the words of apt or dpkg.
 */
export async function fetchWithApt(cacheFolder: string): Promise<string> {
  if (process.platform !== 'linux') throw new Error(`no apt on ${process.platform}`);
  await mkdir(cacheFolder, { recursive: true });
  const staging = await mkdtemp(join(cacheFolder, '.fetching-'));
  try {
    const apt = aptIn(staging);
    for (const folder of ['lists/partial', 'cache/archives/partial', 'unpacked/bin'])
      await mkdir(join(staging, folder), { recursive: true });
    await apt('apt-get', 'update');
    const server = serverIn(await apt('apt-cache', 'depends', 'postgresql'));
    const plan = await apt('apt-get', 'install', '--simulate', '--no-install-recommends', server);
    await apt('apt-get', 'download', ...packagesIn(plan, server));
    const unpacked = join(staging, 'unpacked');
    for (const archive of (await readdir(staging)).filter((name) => name.endsWith('.deb')))
      await runCommand('dpkg', ['-x', archive, unpacked], { cwd: staging, withinMs: UNPACK_WITHIN_MS });
    await writeStarters(unpacked, server);
    await moveInto(unpacked, join(cacheFolder, 'debian'), 'bin');
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return aptBinaries(cacheFolder);
}

type Apt = (program: 'apt-get' | 'apt-cache', ...args: readonly string[]) => Promise<string>;

/** As root, apt fetches as a user that cannot write to our folder; it may do so as root. */
function aptIn(staging: string): Apt {
  const options = [
    `Dir::State::Lists=${join(staging, 'lists')}`,
    `Dir::Cache=${join(staging, 'cache')}`,
    'APT::Sandbox::User=root',
    'Debug::NoLocking=true',
  ].flatMap((option) => ['-o', option]);
  return (program, ...args) =>
    runCommand(program, ['-q', ...options, ...args], { cwd: staging, withinMs: APT_WITHIN_MS });
}

/** The package `postgresql` holds nothing; it names the server of this release. Pure. */
export function serverIn(depends: string): string {
  const server = /^\s*Depends: (postgresql-\d+)$/m.exec(depends)?.[1];
  if (server === undefined) throw new Error('the sources of apt have no package postgresql');
  return server;
}

/** What to download: the server, and libraries that a simulated installation would add. Pure. */
export function packagesIn(plan: string, server: string): string[] {
  const missing = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name = '']) => name);
  return [...new Set([server, 'libpq5', ...missing.filter((name) => NEEDED.test(name))])];
}

/** Programs that find the libraries beside them, wherever the folder lies. */
async function writeStarters(unpacked: string, server: string): Promise<void> {
  const bin = join('usr', 'lib', 'postgresql', server.replace('postgresql-', ''), 'bin');
  for (const program of PROGRAMS) {
    if (!existsSync(join(unpacked, bin, program))) throw new Error(`package ${server} holds no ${program}`);
    const starter = join(unpacked, 'bin', program);
    await writeFile(starter, starterOf(`${bin}/${program}`));
    await chmod(starter, 0o755);
  }
}

function starterOf(program: string): string {
  return `#!/bin/sh
root=$(cd -- "$(dirname -- "$0")/.." && pwd)
for folder in "$root"/usr/lib/*-linux-gnu* "$root"/lib/*-linux-gnu*; do
  LD_LIBRARY_PATH="$folder\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
done
export LD_LIBRARY_PATH
exec "$root/${program}" "$@"
`;
}
