import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runInThisContext } from 'node:vm';
import { connect, Empty, type NatsConnection, type StreamState } from 'nats';
import { debianMirror, parseAptSources } from '#library/testing/nats/nats-apt.js';
import { findNatsServer } from '#library/testing/nats/nats-binary.js';
import { startNatsCluster } from '#library/testing/nats/nats-cluster.js';
import { fetchRelease, intoCache, run, type FetchPlan } from '#library/testing/nats/nats-download.js';
import {
  NatsServer,
  startNatsServer,
  type StartNatsServerOptions,
} from '#library/testing/nats/nats-server.js';
import { isRunning } from '../support/is-running.js';

const FETCH_WITHIN_MS = 90_000;
const POLL_WITHIN_MS = 10_000;
/** Short, so that a request lost with a dying connection is asked again soon. */
const REQUEST_WITHIN_MS = 500;
/** Raft waits 4 to 9 s before an election, and meta group and stream may both need one. */
const ELECTION_WITHIN_MS = 40_000;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A server of our own even where NATS_URL is set; gone after the test. */
async function ownServer(options: StartNatsServerOptions = {}): Promise<NatsServer> {
  const server = await startNatsServer({ config: '', ...options });
  cleanups.push(() => server.stop());
  return server;
}

async function connected(url: string): Promise<NatsConnection> {
  const connection = await connect({
    servers: url,
    timeout: 1_000,
    reconnectTimeWait: 50,
    maxReconnectAttempts: -1,
  });
  cleanups.push(() => connection.close());
  return connection;
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nats-server-spec-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function setEnvironment(name: string, value: string): void {
  const before = process.env[name];
  process.env[name] = value;
  cleanups.push(() => {
    if (before === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = before;
  });
}

/** Asks again until the answer is the one promised; the last failure is the test's failure. */
async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  withinMs = POLL_WITHIN_MS,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  let last: unknown = 'no answer';
  while (Date.now() < deadline) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = error;
    }
    await delay(20);
  }
  throw new Error(`${what}: not within ${withinMs} ms`, { cause: last });
}

async function jetStreamInfo(
  connection: NatsConnection,
  timeout: number,
): Promise<{ type?: string; error?: unknown }> {
  return (await connection.request('$JS.API.INFO', Empty, { timeout })).json();
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const holder = createServer();
    holder.once('error', () => resolve(false));
    holder.listen(port, '127.0.0.1', () => holder.close(() => resolve(true)));
  });
}

describe('a nats-server binary', () => {
  test.each(['2.15', '2.10'])(
    '%s is found, and found again in the same place',
    async (version) => {
      const first = await findNatsServer({ version });
      expect(first.version.startsWith(`${version}.`)).toBe(true);
      const again = await findNatsServer({ version });
      expect(again.path).toBe(first.path);
      expect(['cache', 'PATH', 'NATS_SERVER_BIN']).toContain(again.origin);
    },
    FETCH_WITHIN_MS,
  );

  test('named by NATS_SERVER_BIN is used, unless another version was asked for', async () => {
    const old = await findNatsServer({ version: '2.10' });
    setEnvironment('NATS_SERVER_BIN', old.path);
    expect(await findNatsServer()).toEqual({
      path: old.path,
      version: old.version,
      origin: 'NATS_SERVER_BIN',
    });
    expect((await findNatsServer({ version: '2.15' })).version).toMatch(/^2\.15\./);
  });

  test('named by NATS_SERVER_BIN that does not exist is an error, and no other binary is taken', async () => {
    setEnvironment('NATS_SERVER_BIN', '/nowhere/nats-server');
    await expect(findNatsServer()).rejects.toMatchObject({
      code: 'NATS_SERVER_UNAVAILABLE',
      message: expect.stringMatching(/NATS_SERVER_BIN=\/nowhere\/nats-server .*ENOENT.*unset it/),
    });
  });

  test('that cannot be had is one error that names every place and the ways out', async () => {
    setEnvironment('NATS_SERVER_BIN', '');
    setEnvironment('NATS_SERVER_CACHE', await temporaryFolder());
    const error: unknown = await findNatsServer({ version: '2.99' }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'NATS_SERVER_UNAVAILABLE' });
    for (const part of [
      'NATS_SERVER_BIN is not set',
      'PATH:',
      'cache ',
      'apt: ',
      'release: ',
      'set NATS_URL',
    ]) {
      expect(String(error)).toContain(part);
    }
  });

  test('fetched by several at once ends up in the cache once and whole', async () => {
    const { path, version } = await findNatsServer();
    const plan: FetchPlan = {
      cacheDir: await temporaryFolder(),
      suite: 's',
      release: undefined,
      accepts: () => true,
    };
    const produce = async (staging: string): Promise<string> => {
      // By a child: a file that this process writes while it forks cannot be run at once (ETXTBSY).
      await run('cp', [path, 'nats-server'], { cwd: staging, deadline: Date.now() + POLL_WITHIN_MS });
      return join(staging, 'nats-server');
    };
    const all = await Promise.all(Array.from({ length: 5 }, () => intoCache(plan, 's', produce)));
    expect(new Set(all.map((one) => `${one.path} ${one.version}`)).size).toBe(1);
    expect(all[0]!.version).toBe(version);
    expect(await readdir(plan.cacheDir)).toEqual(['s']);
  });
});

describe('a release archive', () => {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;

  async function published(corrupt: boolean): Promise<{ plan: FetchPlan; version: string }> {
    const { path, version } = await findNatsServer();
    const name = `nats-server-v${version}-${platform}`;
    const folder = await temporaryFolder();
    await mkdir(join(folder, name));
    await copyFile(path, join(folder, name, 'nats-server'));
    execFileSync('tar', ['-czf', `${name}.tar.gz`, name], { cwd: folder });
    const archive = await readFile(join(folder, `${name}.tar.gz`));
    const sums = `${'0'.repeat(64)}  another.tar.gz\n${createHash('sha256').update(archive).digest('hex')}  ${name}.tar.gz\n`;
    if (corrupt) archive[1000] = archive[1000]! ^ 1;
    jest.spyOn(globalThis, 'fetch').mockImplementation((url) => {
      const file = (url as string).split(`/download/v${version}/`)[1];
      if (file === 'SHA256SUMS') return Promise.resolve(new Response(sums));
      const answer = file === `${name}.tar.gz` ? new Response(archive) : new Response('', { status: 404 });
      return Promise.resolve(answer);
    });
    const plan = {
      cacheDir: await temporaryFolder(),
      suite: undefined,
      release: version,
      accepts: () => true,
    };
    return { plan, version };
  }

  test('with the published checksum is unpacked into the cache', async () => {
    const { plan, version } = await published(false);
    expect(await fetchRelease(plan)).toEqual({ path: join(plan.cacheDir, version, 'nats-server'), version });
  });

  test('with another checksum is refused and nothing stays', async () => {
    const { plan } = await published(true);
    await expect(fetchRelease(plan)).rejects.toThrow(
      /expected SHA-256 [0-9a-f]{64} for nats-server-v.*, found/,
    );
    expect(await readdir(plan.cacheDir)).toEqual([]);
  });
});

describe("the machine's apt sources", () => {
  test('give the Debian archive in the deb822 form', () => {
    const text = [
      'Types: deb\n# Suites: x\nURIs: https://third.example/apt\nSuites: bookworm\nComponents: main',
      'Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main',
      'types: deb deb-src\nURIs:\n http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main contrib',
      'Types: deb\nURIs: http://security.example/debian\nSuites: bookworm-security\nComponents: main',
    ].join('\n\n');
    expect(debianMirror(parseAptSources(text, 'sources'))).toBe('http://mirror.example/debian');
  });

  test('give the Debian archive in the one-line form', () => {
    const text = [
      '# deb http://comment.example/debian bookworm main',
      'deb cdrom:[Debian]/ bookworm main',
      'deb-src http://source.example/debian bookworm main',
      'deb [arch=amd64 signed-by=/k.gpg] https://third.example/linux/debian bookworm stable',
      'deb http://security.example/debian-security buster/updates main',
      'deb [arch=amd64] http://mirror.example/debian bookworm main contrib # comment',
    ].join('\n');
    expect(debianMirror(parseAptSources(text, 'list'))).toBe('http://mirror.example/debian');
  });

  test('without a Debian archive give none', () => {
    expect(
      debianMirror(parseAptSources('deb http://x.example/debian bookworm-updates main', 'list')),
    ).toBeUndefined();
  });
});

describe('a started nats-server', () => {
  test.each(['2.15', '2.10'])(
    'of version %s answers a JetStream request',
    async (version) => {
      const server = await ownServer({ version });
      expect(server.version.startsWith(`${version}.`)).toBe(true);
      expect(server.url).toBe(`nats://127.0.0.1:${server.port}`);
      const connection = await connected(server.url);
      expect(connection.info).toMatchObject({ version: server.version, host: '127.0.0.1' });
      expect(await jetStreamInfo(connection, 5_000)).toMatchObject({
        type: expect.stringContaining('account_info'),
      });
    },
    FETCH_WITHIN_MS,
  );

  test('keeps its address and its stored messages over kill, crash and restart', async () => {
    const server = await ownServer();
    const connection = await connected(server.url);
    const manager = await connection.jetstreamManager({ timeout: REQUEST_WITHIN_MS });
    await manager.streams.add({ name: 'S', subjects: ['s.>'] });
    const stored = async (): Promise<number> => (await manager.streams.info('S')).state.messages;
    const jetstream = connection.jetstream();
    const pids = new Set([server.pid]);

    await jetstream.publish('s.1');
    await server.kill();
    expect(server.pid).toBeUndefined();
    await server.start();
    pids.add(server.pid);
    expect(await eventually('stored after kill', stored)).toBe(1);

    await jetstream.publish('s.2');
    process.kill(server.pid!, 'SIGKILL');
    await eventually('the crash is noticed', () => server.pid === undefined || undefined);
    await server.start();
    pids.add(server.pid);
    expect(await eventually('stored after a crash', stored)).toBe(2);

    await jetstream.publish('s.3');
    await server.restart();
    pids.add(server.pid);
    expect(await eventually('stored after restart', stored)).toBe(3);
    expect(pids.size).toBe(4);
    expect(server.url).toContain(`:${connection.getServer().split(':')[1]!}`);
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)('ends with a process that %s ends', async (signal) => {
    const script = `
      import { startNatsServer } from 'nestjs-aggregate-transport/testing';
      const server = await startNatsServer({ config: '' });
      console.log(server.pid);
      setInterval(() => undefined, 1_000);`;
    const args = ['--input-type=module', '-e', script];
    const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    cleanups.push(() => parent.kill('SIGKILL'));
    let output = '';
    parent.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const pid = await eventually('the server', () => Number(/^(\d+)\n/.exec(output)?.[1]) || undefined);
    expect(isRunning(pid)).toBe(true);
    parent.kill(signal);
    await eventually('its end', () => !isRunning(pid) || undefined);
  });

  test('is silent while frozen, answers again after resume, and can be stopped frozen', async () => {
    const server = await ownServer();
    const connection = await connected(server.url);
    await server.freeze();
    await expect(jetStreamInfo(connection, 300)).rejects.toThrow(/TIMEOUT/);
    server.resume();
    expect(await jetStreamInfo(connection, 5_000)).not.toHaveProperty('error');
    await server.freeze();
    const pid = server.pid!;
    await server.stop();
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  });

  test('leaves neither store nor port nor process behind after stop, which may be repeated', async () => {
    const server = await ownServer();
    const { pid, storeDir, port } = server;
    expect(existsSync(storeDir!)).toBe(true);
    await Promise.all([server.stop(), server.stop()]);
    await server.stop();
    expect(existsSync(storeDir!)).toBe(false);
    expect(() => process.kill(pid!, 0)).toThrow(/ESRCH/);
    expect(await canListen(port)).toBe(true);
  });

  test('keeps a store and a log that it was given', async () => {
    const folder = await temporaryFolder();
    const options = { storeDir: join(folder, 'store'), logFile: join(folder, 'server.log') };
    const first = await ownServer(options);
    await (
      await (await connected(first.url)).jetstreamManager()
    ).streams.add({ name: 'KEPT', subjects: ['k'] });
    await first.stop();
    const second = await ownServer(options);
    const manager = await (await connected(second.url)).jetstreamManager();
    expect((await manager.streams.info('KEPT')).config.name).toBe('KEPT');
    expect((await readFile(options.logFile, 'utf8')).match(/Server is ready/g)).toHaveLength(2);
  });

  test('obeys its configuration text, but listens on 127.0.0.1 only', async () => {
    const config = 'max_payload: 2000\nhost: "0.0.0.0"\njetstream { max_file_store: 64MB }';
    const server = await ownServer({ config });
    const connection = await connected(server.url);
    expect(connection.info).toMatchObject({ max_payload: 2000, host: '127.0.0.1' });
    expect(existsSync(join(server.storeDir!, 'jetstream'))).toBe(true);
    expect(await readFile('/proc/net/tcp', 'utf8').catch(() => '')).not.toMatch(
      new RegExp(`00000000:${server.port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`),
    );
  });

  test('lets streams reserve more than the disk holds, unless its configuration text says how much', async () => {
    const huge = { name: 'HUGE', subjects: ['huge'], max_bytes: 900e9 };
    const streamsOf = async (options: StartNatsServerOptions) =>
      (await (await connected((await ownServer(options)).url)).jetstreamManager()).streams;
    const { config } = await (await streamsOf({})).add(huge);
    expect(config.max_bytes).toBe(900e9);
    const small = await streamsOf({ config: 'jetstream { max_file_store: 64MB }' });
    await expect(small.add(huge)).rejects.toThrow('insufficient storage resources');
  });

  test('with a wrong configuration is reported in its own words and leaves nothing behind', async () => {
    const error: unknown = await startNatsServer({ config: 'no_such_setting: 1' }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'NATS_SERVER_UNAVAILABLE' });
    const [, file] = /ended with code 1.* (\/.*nats\.conf):1:\d+: unknown field "no_such_setting"/s.exec(
      String(error),
    )!;
    expect(existsSync(dirname(file!))).toBe(false);
  });

  test('on a port that is taken is reported in its own words', async () => {
    const { port } = await ownServer();
    await expect(startNatsServer({ port })).rejects.toThrow(/address already in use/);
  });
});

describe('the server of NATS_URL', () => {
  test('is used as it is: it cannot be killed, frozen or restarted, and stop leaves it alone', async () => {
    const real = await ownServer();
    setEnvironment('NATS_URL', real.url);
    const server = await startNatsServer();
    expect(server).toMatchObject({ external: true, url: real.url, port: real.port, version: real.version });
    await expect(server.kill()).rejects.toMatchObject({ code: 'NATS_SERVER_UNAVAILABLE' });
    await expect(server.restart()).rejects.toThrow(/external/);
    await expect(server.freeze()).rejects.toThrow(/external/);
    await server.stop();
    expect(await jetStreamInfo(await connected(server.url), 5_000)).not.toHaveProperty('error');
  });

  test('that does not answer is an error that repeats no password', async () => {
    const { port } = await ownServer();
    setEnvironment('NATS_URL', `nats://me:secret@127.0.0.1:${port === 1 ? 2 : 1}`);
    const error: unknown = await startNatsServer().catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/127\.0\.0\.1:\d+ \(NATS_URL\), found: .*ECONNREFUSED/);
    expect(String(error)).not.toContain('secret');
  });
});

describe('a cluster', () => {
  test(
    'replicates over three servers and survives the loss of one',
    async () => {
      const cluster = await startNatsCluster(3);
      cleanups.push(() => cluster.stop());
      expect(cluster.urls).toEqual(cluster.servers.map(({ url }) => url));
      const connection = await connected(cluster.urls[0]!);
      await (
        await connection.jetstreamManager()
      ).streams.add({ name: 'R3', subjects: ['r3'], num_replicas: 3 });
      await connection.jetstream().publish('r3');
      await cluster.servers[2]!.kill();
      const manager = await connection.jetstreamManager({ timeout: REQUEST_WITHIN_MS, checkAPI: false });
      const ask = async (): Promise<StreamState> => (await manager.streams.info('R3')).state;
      const state = await eventually('two of three answer', ask, ELECTION_WITHIN_MS);
      expect(state.messages).toBe(1);
      await cluster.servers[2]!.start();
      await cluster.stop();
      expect(cluster.servers.map(({ pid }) => pid)).toEqual([undefined, undefined, undefined]);
    },
    FETCH_WITHIN_MS,
  );
});

test('await using stops the server', async () => {
  // Jest 29 gives a test no Symbol.asyncDispose, so the library is loaded again after it was put in place.
  Reflect.defineProperty(Symbol, 'asyncDispose', {
    value: runInThisContext('Symbol.asyncDispose') as symbol,
  });
  await jest.isolateModulesAsync(async () => {
    const library = await import('#library/testing/nats/nats-server.js');
    let pid = 0;
    {
      await using server = await library.startNatsServer({ config: '' });
      pid = server.pid!;
      expect(process.kill(pid, 0)).toBe(true);
    }
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  });
});
