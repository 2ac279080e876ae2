import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { LEASE_BUCKET, streamOfBucket } from '#library/stream/keys/key-places.js';
import { Worker } from '../child.js';
import type { Sample } from '../section.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';

const TOPICS = 50;
const LEAST_TOPICS = 3;
const PARTITIONS = 16;
const REPLICAS = 2;
const WINDOW_MS = 20_000;
const LEAST_WINDOW_MS = 3_000;
const READY_WITHIN_MS = 120_000;
/** No partition must have moved for this long. */
const AT_REST_MS = 4_000;
const AT_REST_WITHIN_MS = 150_000;
const ASK_EVERY_MS = 250;
const MIB = 2 ** 20;
/** Of /proc: clock ticks a second. */
const TICKS_PER_SECOND = 100;

interface Told {
  readonly running: number;
  readonly cpuMs: number;
  readonly rss: number;
}

async function ask(workers: readonly Worker[]): Promise<Told[]> {
  for (const worker of workers) worker.tell({ kind: 'tell' });
  return Promise.all(workers.map(async (worker) => (await worker.hear('told')) as unknown as Told));
}

async function atRest(workers: readonly Worker[], partitions: number): Promise<void> {
  let last = '';
  let since = performance.now();
  const endsAt = since + AT_REST_WITHIN_MS;
  for (;;) {
    const running = (await ask(workers)).map((told) => told.running);
    if (running.join(' ') !== last) since = performance.now();
    last = running.join(' ');
    const sum = running.reduce((total, one) => total + one, 0);
    if (sum === partitions && performance.now() - since >= AT_REST_MS) return;
    if (performance.now() > endsAt)
      throw new Error(`expected ${partitions} partitions at rest, found ${last}`);
    await delay(ASK_EVERY_MS);
  }
}

interface ServerCounters {
  readonly in_msgs: number;
  readonly out_msgs: number;
  readonly in_bytes: number;
  readonly out_bytes: number;
}

/** What has happened so far. */
interface Snapshot {
  readonly at: number;
  readonly server: ServerCounters;
  readonly serverCpuMs: number;
  readonly workersCpuMs: number;
  readonly leases: number;
  readonly otherKeys: number;
}

/** Processor time of a process; NaN where there is no /proc. */
async function cpuMsOf(pid: number | undefined): Promise<number> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name of the process, in brackets, may have spaces.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}

async function snapshot(bench: Bench, streams: Streams, workers: readonly Worker[]): Promise<Snapshot> {
  const server = (await (await fetch(`${bench.monitorUrl}/varz`)).json()) as ServerCounters;
  const at = performance.now();
  const told = await ask(workers);
  const sequences = await streams.lastSequences();
  const leases = sequences.get(streamOfBucket(LEASE_BUCKET)) ?? 0;
  const all = [...sequences.values()].reduce((sum, sequence) => sum + sequence, 0);
  return {
    at,
    server,
    serverCpuMs: await cpuMsOf(bench.server.pid),
    workersCpuMs: told.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    leases,
    otherKeys: all - leases,
  };
}

/** What one window costs, per second. */
async function measured(bench: Bench, streams: Streams, workers: readonly Worker[]): Promise<Sample> {
  const before = await snapshot(bench, streams, workers);
  await delay(bench.scaled(WINDOW_MS, LEAST_WINDOW_MS));
  const after = await snapshot(bench, streams, workers);
  const seconds = (after.at - before.at) / 1_000;
  const per = (key: (of: Snapshot) => number): number => (key(after) - key(before)) / seconds;
  const told = await ask(workers);
  return {
    messages: per(({ server }) => server.in_msgs + server.out_msgs),
    keys: per(({ leases, otherKeys }) => leases + otherKeys),
    positions: per(({ otherKeys }) => otherKeys),
    kB: per(({ server }) => server.in_bytes + server.out_bytes) / 1_000,
    serverCpu: per(({ serverCpuMs }) => serverCpuMs) / 10,
    cpu: per(({ workersCpuMs }) => workersCpuMs) / 10,
    rss: told.reduce((sum, { rss }) => sum + rss, 0) / REPLICAS / MIB,
  };
}

async function run(bench: Bench): Promise<void> {
  const topics = bench.scaled(TOPICS, LEAST_TOPICS);
  const streams = await Streams.open(bench.server.url);
  const args = [bench.server.url, String(topics), String(PARTITIONS)];
  const workers: Worker[] = [];
  try {
    const name = `${topics} topics, ${PARTITIONS} partitions, ${REPLICAS} replicas`;
    await bench.compare({
      id: 'nothing-to-do',
      title: 'services that have nothing to do, per second',
      metrics: [
        { key: 'messages', unit: 'messages in and out', better: 'less' },
        { key: 'keys', unit: 'key-value writes', better: 'less' },
        { key: 'positions', unit: 'of them not leases', better: 'less' },
        { key: 'kB', unit: 'kB in and out', better: 'less' },
        { key: 'serverCpu', unit: 'server CPU %', better: 'less' },
        { key: 'cpu', unit: 'CPU % of the replicas', better: 'less' },
        { key: 'rss', unit: 'MiB of a replica', better: 'less' },
      ],
      baseline: name,
      maxRounds: 3,
      warmUps: 0,
      contenders: [
        {
          name,
          run: async () => {
            if (workers.length === 0) {
              for (let replica = 0; replica < REPLICAS; replica++) {
                const worker = new Worker('./idle-worker.js', args);
                workers.push(worker);
                await worker.hear('ready', READY_WITHIN_MS);
              }
              await atRest(workers, topics * PARTITIONS);
            }
            return measured(bench, streams, workers);
          },
        },
      ],
      notes: [
        'The few messages by which the bench itself looks are among them. 100 % is one core; replicas are counted together.',
      ],
    });
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
    await streams.close();
  }
}

export const idle: Suite = {
  name: 'idle',
  about: 'what a service with nothing to do costs: writes, messages, processor time',
  goals: [],
  run,
};
