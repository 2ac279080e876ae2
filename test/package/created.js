// From nothing to the first handled event, as a newcomer gets there: npm create, npm test, npm start, one call. The
// packed tarballs stand for npm.
import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';

const shell = process.platform === 'win32';
const QUIET = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
const FIRST_EVENT_WITHIN_MS = 30_000;

function npm(cwd, args, env = {}) {
  const { status, stdout, stderr } = spawnSync('npm', args, {
    cwd,
    encoding: 'utf8',
    shell,
    timeout: 300_000,
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(`npm ${args.join(' ')}:\n${stdout}${stderr}`);
  return stdout;
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function call(url, body) {
  const headers = { 'content-type': 'application/json' };
  const init = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) };
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(5_000) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.json();
}

/** Repeats what a newcomer would: the service starts, and events are handled a moment later. */
async function eventually(what, attempt) {
  const until = performance.now() + FIRST_EVENT_WITHIN_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (cause) {
      if (performance.now() > until) throw new Error(`expected ${what}, found ${cause.message}`, { cause });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Runs a script of the service, publishes an event over HTTP, and waits until it is handled. */
async function firstEvent(service, script, env) {
  const port = await freePort();
  const child = spawn('npm', ['run', '--silent', script], {
    cwd: service,
    shell,
    detached: !shell,
    env: { ...process.env, ...env, PORT: String(port) },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const url = `http://127.0.0.1:${port}/parcels/42`;
  try {
    await eventually(`npm run ${script} to listen`, () => call(`${url}/open`, { owner: 'Ada' }));
    await call(`${url}/add`, { amount: 7 });
    await eventually('the events to be handled', async () => {
      const { owner, total } = await call(url);
      if (owner !== 'Ada' || total !== 7) throw new Error(`${owner} with ${total}`);
    });
  } catch (error) {
    throw new Error(`${error.message}\n${output}`, { cause: error });
  } finally {
    // The whole group: npm, its shell and the service.
    if (shell) child.kill();
    else process.kill(-child.pid, 'SIGTERM');
    await ended;
  }
}

/** Resolves with what it took. */
export async function runCreated({ folder, tarball, createTarball }, env) {
  const took = [];
  const timed = async (what, step) => {
    const startedAt = performance.now();
    await step();
    took.push(`${what} ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  };
  const startedAt = performance.now();
  const service = join(folder, 'depot');
  const choices = ['depot', '--topic', 'parcels', '--yes', '--library', `file:${tarball}`];
  await timed('npm create with npm install', () =>
    npm(folder, [
      'exec',
      '--yes',
      `--package=${createTarball}`,
      ...QUIET,
      '--',
      'create-aggregate-service',
      ...choices,
    ]),
  );
  await timed('npm test', () => npm(service, ['test'], env));
  await timed('npm start to the first handled event', () => firstEvent(service, 'start', env));
  const seconds = (performance.now() - startedAt) / 1_000;
  // A server of its own, as `npm run start:dev` brings one.
  const own = { ...env, NATS_URL: undefined, NATS_PORT: String(await freePort()) };
  await timed('npm run start:dev, with a server of its own, to the first', () =>
    firstEvent(service, 'start:dev', own),
  );
  return `${took.join(', ')}\nfrom nothing to the first handled event: ${seconds.toFixed(1)} s`;
}
