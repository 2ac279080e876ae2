import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What to fetch and where to put it. */
export interface FetchPlan {
  readonly cacheDir: string;
  /** The Debian suite that holds the version; none if no suite is known to. */
  readonly suite: string | undefined;
  /** The full version of the release archive; none if only an unknown minor version was asked for. */
  readonly release: string | undefined;
  /** Whether a binary of this version is what was asked for. */
  readonly accepts: (version: string) => boolean;
}

/** A binary that lies in the cache and answered `--version`. */
export interface FetchedNatsServer {
  readonly path: string;
  readonly version: string;
}

const VERSION_WITHIN_MS = 10_000;
const DOWNLOAD_WITHIN_MS = 120_000;
const EXTRACT_WITHIN_MS = 30_000;
const RELEASES = 'https://github.com/nats-io/nats-server/releases/download';
const PLATFORMS: Readonly<Record<string, string>> = { linux: 'linux', darwin: 'darwin', win32: 'windows' };
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * Takes nats-server out of the official release archive for this platform, after its SHA-256 was found to be the
 * one that the release publishes. Node 20's `fetch` knows no proxy variables, so this needs a direct way out.
 *
 * @throws Error if the platform has no archive, a download fails or takes too long, or the checksum differs.
 */
export async function fetchRelease(plan: FetchPlan): Promise<FetchedNatsServer> {
  const version = plan.release;
  if (version === undefined) throw new Error('no release is known for this version; ask for a full one');
  const platform = PLATFORMS[process.platform];
  const architecture = ARCHITECTURES[process.arch];
  if (platform === undefined || architecture === undefined) {
    throw new Error(`no release archive for ${process.platform}/${process.arch}`);
  }
  const name = `nats-server-v${version}-${platform}-${architecture}`;
  const archive = `${name}.tar.gz`;
  return intoCache(plan, version, async (staging) => {
    const sums = await download(`${RELEASES}/v${version}/SHA256SUMS`);
    const content = await download(`${RELEASES}/v${version}/${archive}`);
    verify(content, archive, sums.toString('utf8'));
    await writeFile(join(staging, archive), content);
    // The name is relative because GNU tar takes the colon of a Windows path for a host name.
    await run('tar', ['-xzf', archive], { cwd: staging, deadline: Date.now() + EXTRACT_WITHIN_MS });
    return join(staging, name, runnable('nats-server'));
  });
}

/**
 * Asks a nats-server binary for its version.
 *
 * @throws Error if it cannot be run, does not answer within 10 s or answers something else.
 */
export async function versionOf(path: string): Promise<string> {
  const answer = await run(path, ['--version'], { deadline: Date.now() + VERSION_WITHIN_MS });
  const version = /^nats-server: v(\d+\.\d+\.\d+)/m.exec(answer)?.[1];
  if (version !== undefined) return version;
  throw new Error(`${path} --version answered ${JSON.stringify(answer.slice(0, 200))}`);
}

/** The file name of an executable on this platform. */
export function runnable(name: string): string {
  return process.platform === 'win32' ? `${name}.exe` : name;
}

/** The message of an error with those of its causes, because `fetch` hides the reason one level down. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ');
  return error.cause === undefined ? error.message : `${error.message}: ${reasonOf(error.cause)}`;
}

/**
 * Lets `produce` work in a folder of its own inside the cache and moves the binary into place in one step. So a second
 * process sees either nothing or a whole binary, and uses what the first one left.
 */
export async function intoCache(
  { cacheDir, accepts }: FetchPlan,
  key: string,
  produce: (staging: string) => Promise<string>,
): Promise<FetchedNatsServer> {
  await mkdir(cacheDir, { recursive: true });
  const staging = await mkdtemp(join(cacheDir, '.fetching-'));
  try {
    const binary = await produce(staging);
    const version = await versionOf(binary);
    if (!accepts(version)) throw new Error(`the version there is ${version}`);
    const ready = join(staging, 'ready');
    await mkdir(ready);
    await rename(binary, join(ready, runnable('nats-server')));
    const target = join(cacheDir, key);
    const path = join(target, runnable('nats-server'));
    try {
      await rename(ready, target);
    } catch {
      const present = await versionOf(path).catch(() => undefined);
      if (present !== undefined && accepts(present)) return { path, version: present };
      await rm(target, { recursive: true, force: true });
      await rename(ready, target);
    }
    return { path, version };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

function verify(content: Buffer, archive: string, sums: string): void {
  const lines = sums.split('\n').map(words);
  const expected = lines.find(([, name]) => name?.replace(/^\*/, '') === archive)?.[0];
  const found = createHash('sha256').update(content).digest('hex');
  if (expected?.toLowerCase() === found) return;
  throw new Error(`expected SHA-256 ${expected ?? '(not in SHA256SUMS)'} for ${archive}, found ${found}`);
}

async function download(url: string): Promise<Buffer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_WITHIN_MS) });
  if (!response.ok) throw new Error(`${url} answered ${response.status} ${response.statusText}`);
  return Buffer.from(await response.arrayBuffer());
}

/**
 * Runs a command to its end, in English and with a bound.
 *
 * @returns What it wrote to its standard output.
 * @throws Error with the last lines of its standard error if it cannot be run, fails or passes `deadline`.
 */
export function run(
  file: string,
  args: string[],
  limits: { cwd?: string; deadline: number },
): Promise<string> {
  const timeout = Math.max(1, limits.deadline - Date.now());
  const options = {
    cwd: limits.cwd,
    timeout,
    killSignal: 'SIGKILL',
    env: { ...process.env, LC_ALL: 'C' },
  } as const;
  return new Promise((resolve, reject) => {
    execFile(file, args, options, (error, stdout, stderr) => {
      if (error === null) {
        resolve(stdout);
        return;
      }
      const lastWords = stderr.trim().split('\n').slice(-4).join(' | ');
      const why = error.killed === true ? `no end within ${timeout} ms` : lastWords;
      reject(new Error(`${file} failed: ${why === '' ? error.message : why}`));
    });
  });
}

/** The parts of a text that white space separates. */
export function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
