import { setTimeout as scheduled } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { NatsServer } from 'nestjs-aggregate-transport/testing';
import { publisherOf, startApp } from '../../support/app.js';
import { quantile } from '../consumer/report.js';
import { TOPIC } from '../consumer/scenario.js';
import type { LongRunOptions } from './long-runs.js';
import { Servers } from './servers.js';

const DEFAULT_MINUTES = 5;
const MAX_PENDING = 2_000;
const MAX_BLOCKED = 3_000;
const KEYS = 500;
const PAYLOAD_BYTES = 200;
const TICK_MS = 100;
const SAMPLE_EVERY_MS = 10_000;
/** The server works this long, then stands still that long: it takes events, and never as many as are given. */
const GO_MS = 25;
const STAND_MS = 700;
const MEGABYTE = 1_048_576;
/** What counts as flat, from the first third of the samples to the last: 2 % and what a compiler may allocate late. */
const GROWTH_SHARE = 0.02;
const GROWTH_MB = 0.5;

/** Memory stays flat while the window is full: a slow server, callers that always want more, the heap after gc. */
export async function runMemory({
  serverVersion,
  minutes = DEFAULT_MINUTES,
}: LongRunOptions): Promise<boolean> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const servers = await Servers.start(serverVersion, 1);
  const app = await startApp({
    options: {
      servers: servers.urls,
      topics: { [TOPIC]: {} },
      publish: { maxPending: MAX_PENDING, maxBlocked: MAX_BLOCKED },
      // The server stands still for less than it takes to give a connection up.
      shutdown: { drainMs: 0 },
    },
    publishers: [TOPIC],
  });
  const publisher = publisherOf(app, TOPIC);
  const failures = new Map<string, number>();
  let calls = 0;
  const publish = (): Promise<boolean> => {
    const event = {
      aggregateId: `key-${calls++ % KEYS}`,
      type: 'Counted',
      payload: 'x'.repeat(PAYLOAD_BYTES),
    };
    return publisher.publish(event).then(
      () => true,
      (error: unknown) => {
        const { code } = error as { code: string };
        failures.set(code, (failures.get(code) ?? 0) + 1);
        return false;
      },
    );
  };
  let isOver = false;
  const slowed = slowDown(servers.nodes[0]!, () => isOver);
  const heaps: number[] = [];
  const pendings: number[] = [];
  const until = performance.now() + minutes * 60_000;
  let nextSample = performance.now() + SAMPLE_EVERY_MS;
  while (performance.now() < until) {
    // Fills the window up, and one more that is refused.
    for (let free = MAX_PENDING + MAX_BLOCKED - publisher.pending; free >= 0; free--) void publish();
    pendings.push(publisher.pending);
    if (performance.now() >= nextSample) {
      nextSample += SAMPLE_EVERY_MS;
      collect();
      heaps.push(process.memoryUsage().heapUsed / MEGABYTE);
      const { pending, published } = publisher;
      console.log(
        `heap ${heaps.at(-1)!.toFixed(2)} MB, ${pending} pending, ${published} published, ${calls} calls`,
      );
    }
    await scheduled(TICK_MS);
  }
  isOver = true;
  await slowed;
  const { published } = publisher;
  await app.close();
  await servers.stop();
  const third = Math.floor(heaps.length / 3);
  const first = quantile(heaps.slice(0, third), 0.5) ?? 0;
  const last = quantile(heaps.slice(-third), 0.5) ?? 0;
  const fullShare =
    pendings.filter((pending) => pending === MAX_PENDING + MAX_BLOCKED).length / pendings.length;
  const flat = third > 0 && last <= first * (1 + GROWTH_SHARE) + GROWTH_MB;
  console.log(
    JSON.stringify({
      ...{ run: 'memory', server: servers.version, minutes, windowFullShare: fullShare, calls, published },
      ...{ saturated: failures.get('PUBLISHER_SATURATED') ?? 0, failures: Object.fromEntries(failures) },
      ...{
        heapFirstThirdMb: first,
        heapLastThirdMb: last,
        heapLeastMb: Math.min(...heaps),
        heapMostMb: Math.max(...heaps),
      },
      flat,
    }),
  );
  return flat && fullShare > 0.9 && published > 0;
}

async function slowDown(node: NatsServer, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await node.freeze();
    await scheduled(STAND_MS);
    node.resume();
    await scheduled(GO_MS);
  }
}
