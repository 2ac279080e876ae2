// One measurement of memory in a process of its own; prints one line of JSON. Started by suites/memory.ts:
// held URL TOPIC EVENTS    what events in lanes cost while their handlers do not end
// backlog URL TOPIC EVENTS how much a service grows while it handles a backlog
// raw URL TOPIC EVENTS     the same of a raw pull + parse + ack loop
import 'reflect-metadata';
import { AckPolicy, connect } from 'nats';
import { rawConsume } from './contenders/raw-consume.js';
import { Door } from './contenders/door.js';
import { controllerFor, Service } from './contenders/service.js';
import { optionsFor } from './workload.js';

const [task = '', url = '', topic = '', count = ''] = process.argv.slice(2);
const events = Number(count);
const SETTLE_MS = 300;
const LOOK_EVERY_MS = 20;
const PATIENCE_MS = 60_000;
/** By then the heap has its working size: what grows after it would grow on. */
const WARM_EVENTS = 100_000;
const MIB = 2 ** 20;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits as long as it is so; a measurement that cannot be made must not hang the others. */
async function untilNot(isSo: () => boolean): Promise<void> {
  const endsAt = performance.now() + PATIENCE_MS;
  while (isSo()) {
    if (performance.now() > endsAt)
      throw new Error(`expected an end within ${PATIENCE_MS} ms, found none; look at the limits of intake`);
    await pause(LOOK_EVERY_MS);
  }
}

/** Timers that are set and have neither fired nor been called off. */
const timers = new Set<unknown>();
const { setTimeout: setTimer, clearTimeout: clearTimer } = globalThis;
globalThis.setTimeout = ((callback: () => void, ms: number) => {
  const timer = setTimer(() => {
    timers.delete(timer);
    callback();
  }, ms);
  timers.add(timer);
  return timer;
}) as typeof setTimeout;
globalThis.clearTimeout = (timer) => {
  timers.delete(timer);
  clearTimer(timer);
};

async function used(): Promise<number> {
  await pause(SETTLE_MS);
  // Twice: what finalizers release is free only after another one.
  globalThis.gc?.();
  await pause(SETTLE_MS);
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function held(): Promise<object> {
  let release: () => void = () => undefined;
  const gate = new Promise<undefined>((resolve) => (release = () => resolve(undefined)));
  const handled = { count: 0 };
  const options = optionsFor(url, [topic], {
    group: `held-${process.pid}`,
    // One place, which stays taken: all others wait. A whole batch is fetched nevertheless.
    consume: { maxAckPending: 100_000, maxBufferedBytes: 2 ** 31, concurrency: 1, batch: events },
  });
  // Warm up on a group of its own: compiled code and pools are not what an event costs.
  const handle = async (): Promise<undefined> => {
    await gate;
    handled.count++;
    return undefined;
  };
  const idle = await Door.open({ ...options, group: `warm-${process.pid}` }, topic, () => undefined);
  await untilNot(() => idle.partitions[0]!.counts.handled < events);
  await idle.close();
  const base = await used();
  const door = await Door.open({ ...options, group: `held-${process.pid}` }, topic, handle);
  const { consumer } = door.partitions[0]!;
  await untilNot(() => consumer.load.events < events);
  const { lanes } = consumer.load;
  const full = await used();
  release();
  await untilNot(() => handled.count < events);
  const after = await used();
  const left = consumer.load.lanes;
  await door.close();
  return { bytes: full - base, left: after - base, lanes, lanesLeft: left };
}

/** Resident memory from now on. */
class Growth {
  readonly #start = process.memoryUsage.rss();
  #peak = this.#start;
  #warm = 0;
  #peakAfterWarm = 0;

  look(handled: number): void {
    const rss = process.memoryUsage.rss();
    this.#peak = Math.max(this.#peak, rss);
    if (handled < Math.min(WARM_EVENTS, events / 2)) return;
    if (this.#warm === 0) this.#warm = rss;
    this.#peakAfterWarm = Math.max(this.#peakAfterWarm, rss);
  }

  found(): { grown: number; grownAfterWarm: number; start: number } {
    return {
      grown: (this.#peak - this.#start) / MIB,
      grownAfterWarm: (this.#peakAfterWarm - this.#warm) / MIB,
      start: this.#start / MIB,
    };
  }
}

async function backlog(): Promise<object> {
  let handled = 0;
  const controller = controllerFor(topic, () => {
    handled++;
  });
  const service = await Service.start(optionsFor(url, [topic], { group: `backlog-${process.pid}` }), [
    controller,
  ]);
  const growth = new Growth();
  await service.consuming();
  const timersAtStart = timers.size;
  let lanes = 0;
  while (handled < events) {
    await pause(LOOK_EVERY_MS);
    growth.look(handled);
    lanes = Math.max(lanes, service.partitions[0]!.consumer.load.lanes);
  }
  await pause(SETTLE_MS);
  const load = service.partitions[0]!.consumer.load;
  // This pause itself is over, so its timer is not among them.
  const timersLeft = timers.size - timersAtStart;
  await service.close();
  return { ...growth.found(), lanes, lanesLeft: load.lanes + load.events, timersLeft };
}

async function raw(): Promise<object> {
  let handled = 0;
  const nats = await connect({ servers: url });
  const consumer = `raw-${process.pid}`;
  const streams = await nats.jetstreamManager();
  await streams.consumers.add(topic, { durable_name: consumer, ack_policy: AckPolicy.Explicit });
  const growth = new Growth();
  const done = rawConsume(nats, { stream: topic, consumer, events, handle: () => handled++ });
  while (handled < events) {
    await pause(LOOK_EVERY_MS);
    growth.look(handled);
  }
  await done;
  await nats.close();
  return growth.found();
}

const TASKS: Record<string, () => Promise<object>> = { held, backlog, raw };
console.log(JSON.stringify(await TASKS[task]!()));
