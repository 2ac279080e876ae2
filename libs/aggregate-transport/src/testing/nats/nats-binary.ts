import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { AggregateTransportError } from '../../errors.js';
import { fetchWithApt } from './nats-apt.js';
import { fetchRelease, reasonOf, runnable, versionOf, type FetchPlan } from './nats-download.js';

/** A nats-server that was run once with `--version` and answered. */
export interface FoundNatsServer {
  /** Absolute path of the binary. */
  readonly path: string;
  /** What the binary says of itself, three parts without a `v`, such as `2.15.1`. */
  readonly version: string;
  /** The place it came from; `apt` and `release` mean that this call fetched it into the cache. */
  readonly origin: 'NATS_SERVER_BIN' | 'PATH' | 'cache' | 'apt' | 'release';
}

/** What {@link findNatsServer} may be asked for. */
export interface FindNatsServerOptions {
  /**
   * A minor version such as `2.15` or `2.10`, or a full one such as `2.11.4`. A binary of another version is
   * then passed over. Without it everything from 2.10 on will do, and 2.15 is what gets fetched.
   */
  readonly version?: string;
}

interface Search {
  readonly asked: string | undefined;
  readonly plan: FetchPlan;
  /** One sentence for each place that had nothing, in the order in which they were looked at. */
  readonly misses: string[];
}

type Place = (search: Search) => Promise<FoundNatsServer | undefined>;

const OLDEST = '2.10';
const DEFAULT_VERSION = '2.15';
/** The Debian suite and the release that stand for a minor version. */
const KNOWN: Readonly<Record<string, { suite: string; release: string }>> = {
  '2.15': { suite: 'forky', release: '2.15.1' },
  '2.10': { suite: 'trixie', release: '2.10.27' },
};
const WAYS_OUT =
  `Set NATS_SERVER_BIN to a nats-server binary, set NATS_URL to a server that runs already, ` +
  `or install nats-server >= ${OLDEST} on the PATH.`;

/**
 * Finds a nats-server that runs on this machine, and fetches one into the cache if there is none.
 *
 * The places, in order: `NATS_SERVER_BIN`, the PATH, the cache, the Debian mirror of the machine's own apt
 * sources, the release archive. Nothing is installed and no root right is needed. Several processes may call it
 * at once. The cache is `NATS_SERVER_CACHE`, else `node_modules/.cache/nats-server` above the working directory.
 *
 * @throws AggregateTransportError `NATS_SERVER_UNAVAILABLE` if `NATS_SERVER_BIN` names no nats-server >= 2.10, or if
 *   every place failed. The message then names each place and its reason.
 */
export async function findNatsServer(options: FindNatsServerOptions = {}): Promise<FoundNatsServer> {
  const search: Search = { asked: options.version, plan: planFor(options.version), misses: [] };
  const places: readonly Place[] = [
    fromEnvironment,
    fromPath,
    fromCache,
    fetching('apt'),
    fetching('release'),
  ];
  for (const place of places) {
    const found = await place(search);
    if (found !== undefined) return found;
  }
  const tried = search.misses.map((miss) => `\n  - ${miss}`).join('');
  throw unavailable(
    `expected nats-server ${options.version ?? `>= ${OLDEST}`}, found none:${tried}\n${WAYS_OUT}`,
  );
}

async function fromEnvironment({ asked, misses }: Search): Promise<FoundNatsServer | undefined> {
  const named = process.env['NATS_SERVER_BIN'];
  if (named === undefined || named === '') {
    misses.push('NATS_SERVER_BIN is not set');
    return undefined;
  }
  const path = resolve(named);
  const version = await versionOf(path).catch((error: unknown) => {
    const found = `expected NATS_SERVER_BIN=${named} to be a nats-server, found: ${reasonOf(error)}.`;
    throw unavailable(`${found} Correct the path or unset it.`, error);
  });
  if (!isAtLeast(version, OLDEST)) {
    const found = `expected nats-server >= ${OLDEST}, found ${version} at NATS_SERVER_BIN=${named}.`;
    throw unavailable(`${found} Name a newer one or unset it.`);
  }
  if (matches(version, asked)) return { path, version, origin: 'NATS_SERVER_BIN' };
  misses.push(`NATS_SERVER_BIN=${named} is ${version}`);
  return undefined;
}

async function fromPath({ asked, misses }: Search): Promise<FoundNatsServer | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  // Debian's package installs into sbin, which is not on the PATH of an ordinary user.
  if (process.platform !== 'win32') folders.push('/usr/local/sbin', '/usr/sbin');
  const passedOver: string[] = [];
  for (const path of new Set(folders.map((folder) => resolve(folder, runnable('nats-server'))))) {
    if (!existsSync(path)) continue;
    const version = await versionOf(path).catch(() => undefined);
    if (version !== undefined && matches(version, asked)) return { path, version, origin: 'PATH' };
    passedOver.push(`${path} is ${version ?? 'not runnable'}`);
  }
  misses.push(`PATH: ${passedOver.length > 0 ? passedOver.join(', ') : 'no nats-server'}`);
  return undefined;
}

async function fromCache({ plan, misses }: Search): Promise<FoundNatsServer | undefined> {
  for (const key of [plan.suite, plan.release]) {
    if (key === undefined) continue;
    const path = join(plan.cacheDir, key, runnable('nats-server'));
    const version = await versionOf(path).catch(() => undefined);
    if (version !== undefined && plan.accepts(version)) return { path, version, origin: 'cache' };
  }
  misses.push(`cache ${plan.cacheDir}: nothing of this version`);
  return undefined;
}

function fetching(origin: 'apt' | 'release'): Place {
  const fetchOne = origin === 'apt' ? fetchWithApt : fetchRelease;
  return async ({ plan, misses }) => {
    try {
      return { ...(await fetchOne(plan)), origin };
    } catch (error) {
      misses.push(`${origin}: ${reasonOf(error)}`);
      return undefined;
    }
  };
}

function planFor(asked: string | undefined): FetchPlan {
  const version = asked ?? DEFAULT_VERSION;
  const known = KNOWN[version.split('.').slice(0, 2).join('.')];
  const isFull = /^\d+\.\d+\.\d+$/.test(version);
  return {
    cacheDir: cacheDirectory(),
    suite: known?.suite,
    release: isFull ? version : known?.release,
    accepts: (candidate) => matches(candidate, asked),
  };
}

function cacheDirectory(): string {
  const named = process.env['NATS_SERVER_CACHE'];
  if (named !== undefined && named !== '') return resolve(named);
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'node_modules')))
      return join(folder, 'node_modules', '.cache', 'nats-server');
    // Not the shared temporary directory: anybody could put a binary there for us to run.
    if (folder === dirname(folder)) return join(homedir(), '.cache', 'nats-server');
  }
}

function matches(version: string, asked: string | undefined): boolean {
  if (!isAtLeast(version, OLDEST)) return false;
  return asked === undefined || version === asked || version.startsWith(`${asked}.`);
}

function isAtLeast(version: string, floor: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [floorMajor = 0, floorMinor = 0] = floor.split('.').map(Number);
  return major > floorMajor || (major === floorMajor && minor >= floorMinor);
}

function unavailable(message: string, cause?: unknown): AggregateTransportError {
  return new AggregateTransportError('NATS_SERVER_UNAVAILABLE', message, { cause });
}
