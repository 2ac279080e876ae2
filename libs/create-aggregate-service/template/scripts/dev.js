// npm run start:dev: a nats-server (unless NATS_URL names one), the compiler, and the service, again after each change.
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startNatsServer } from 'nestjs-aggregate-transport/testing';

const TSC = fileURLToPath(import.meta.resolve('typescript/lib/tsc.js'));
const NATS_PORT = Number(process.env.NATS_PORT ?? 4222);

/** Its streams stay in .nats/ until you remove it. */
async function startNats() {
  const nats = await startNatsServer({ port: NATS_PORT, storeDir: '.nats' });
  console.log(`nats-server ${nats.version} at ${nats.url}, its streams in .nats/`);
  return nats;
}

const nats = process.env.NATS_URL === undefined ? await startNats() : undefined;
const env = { ...process.env, NATS_URL: nats?.url ?? process.env.NATS_URL };
// The first build, so that the service has something to start. Type errors are shown, and end nothing.
spawnSync(process.execPath, [TSC], { stdio: 'inherit' });
const children = [
  spawn(process.execPath, [TSC, '--watch', '--preserveWatchOutput'], { stdio: 'inherit' }),
  spawn(process.execPath, ['--watch', '--watch-preserve-output', 'dist/src/main.js'], {
    stdio: 'inherit',
    env,
  }),
];

let isStopping = false;
async function stop() {
  if (isStopping) return;
  isStopping = true;
  const ends = children.map((child) => new Promise((resolve) => child.once('exit', resolve)));
  for (const child of children) if (!child.kill('SIGTERM')) child.emit('exit');
  await Promise.all(ends);
  await nats?.stop();
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void stop());
