// What another transport does with the order of a key when something fails: node bench/peers/faults.js [PEER …]
// PEER: ours | nest-nats | jetstream-transport. Install first: npm install --prefix bench/peers; and `npm run build`.
// Each case: 40 keys with 25 events each, published in order. A handler takes 0 to 5 ms and writes down its begin and end.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startNatsServer } from '../../libs/aggregate-transport/dist/esm/testing.js';
import { judge } from './judge.js';

const SCRIPT = fileURLToPath(new URL('faults-service.js', import.meta.url));
const PEERS = ['ours', 'nest-nats', 'jetstream-transport'];
const [KEYS, EACH] = [40, 25];
const EVENTS = KEYS * EACH;
/** No handler has begun for so long: the case is over. Longer than an ack wait and a lease. */
const QUIET_MS = 13_000;
const FREEZE_MS = 6_000;
const CASES = {
  'nothing fails': {},
  'one of 50 handlers fails once': { failEvery: 50 },
  'the consumer is killed in mid-work': { kill: true },
  'the consumer sleeps for 6 s, and another one is there': { freeze: true },
  'the consumer is away while events are published': { away: true },
};

class Case {
  #services = [];
  #folder = mkdtempSync(join(tmpdir(), 'peers-'));
  journal = join(this.#folder, 'journal');

  constructor(peer, url, { failEvery = 0 }) {
    this.peer = peer;
    this.args = [peer, url, this.journal, String(failEvery)];
    appendFileSync(this.journal, '');
  }

  /** Starts a process of the service; resolves when it listens. */
  async start(role) {
    const child = spawn(process.execPath, [SCRIPT, role, ...this.args, String(EVENTS), String(KEYS)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#services.push(child);
    await once(child.stdout, 'data');
    return child;
  }

  /** What the process has begun counts as running no more. */
  stop(child, signal) {
    child.kill(signal);
    appendFileSync(this.journal, `stopped ${child.pid}\n`);
  }

  lines() {
    return readFileSync(this.journal, 'utf8').split('\n').slice(0, -1);
  }

  async until(count) {
    while (this.lines().length < count) await delay(5);
  }

  async quiet() {
    let [seen, at] = [0, performance.now()];
    while (performance.now() - at < QUIET_MS) {
      await delay(50);
      const { length } = this.lines();
      if (length !== seen) [seen, at] = [length, performance.now()];
      if (new Set(this.lines().filter((line) => line.startsWith('end'))).size >= EVENTS) await delay(500);
    }
  }

  async end() {
    for (const child of this.#services) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    rmSync(this.#folder, { recursive: true });
  }
}

async function run(peer, url, { kill = false, freeze = false, away = false, ...work }) {
  const one = new Case(peer, url, work);
  try {
    let consumer = await one.start('consume');
    if (freeze) await one.start('consume');
    if (away) consumer.kill('SIGKILL');
    const publisher = await one.start('publish');
    const published = once(publisher, 'exit');
    if (kill) {
      await one.until(EVENTS / 3);
      one.stop(consumer, 'SIGKILL');
      await delay(200);
      consumer = await one.start('consume');
    }
    if (freeze) {
      await one.until(EVENTS / 3);
      one.stop(consumer, 'SIGSTOP');
      await delay(FREEZE_MS);
      consumer.kill('SIGCONT');
    }
    await published;
    if (away) await one.start('consume');
    await one.quiet();
    return judge(one.lines(), EVENTS);
  } finally {
    await one.end();
  }
}

const peers = process.argv.length > 2 ? process.argv.slice(2) : PEERS;
console.log(
  '| transport | case | overtaken | at once | repeated | late | never handled |\n|---|---|--:|--:|--:|--:|--:|',
);
for (const peer of peers) {
  for (const [name, options] of Object.entries(CASES)) {
    const server = await startNatsServer();
    try {
      const { overtaken, atOnce, repeated, late, missing } = await run(peer, server.url, options);
      console.log(`| ${peer} | ${name} | ${overtaken} | ${atOnce} | ${repeated} | ${late} | ${missing} |`);
    } finally {
      await server.stop();
    }
  }
}
