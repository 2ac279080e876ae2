import { setTimeout as delay } from 'node:timers/promises';
import { ParkingWorld, type ParkingWorldOptions } from './parking-world.js';
import { OUTAGE, type WorkerSetup } from './setup.js';
import { whenRead } from './when-read.js';

export interface OutageOptions {
  readonly server: ParkingWorldOptions['server'];
  readonly topic: string;
  readonly outageMs: number;
  readonly aggregates: number;
  readonly processes: number;
  readonly workers: Partial<WorkerSetup>;
  /** Longer than the breaker waits between two probes. */
  readonly recoversWithinMs: number;
}

export interface OutageResult {
  readonly findings: readonly string[];
  readonly events: number;
  /** Handlers that failed. */
  readonly failed: number;
  /** Aggregates parked when the outage ended. */
  readonly parked: number;
  /** From the end of the outage until every aggregate that is not parked had all its events handled. */
  readonly recoveredMs: number;
}

const PUBLISH_EVERY_MS = 50;

/** Every handler of every process fails for a while, and events keep coming. */
export async function sitOutOutage(options: OutageOptions): Promise<OutageResult> {
  const { topic, server, outageMs, aggregates, processes, workers, recoversWithinMs } = options;
  const world = await ParkingWorld.open({ server, topic, workers });
  const keys = Array.from({ length: aggregates }, (_, index) => `away-${index}`);
  try {
    for (let index = 0; index < processes; index++) await (await world.crew.spawn()).ready();
    await Promise.all(keys.map((key) => world.publish(key)));
    await world.whenAllHandled();
    world.crew.breakDown(OUTAGE);
    const until = performance.now() + outageMs;
    for (let next = 0; performance.now() < until; next++) {
      await world.publish(keys[next % keys.length]!);
      await delay(PUBLISH_EVERY_MS);
    }
    world.crew.mend(OUTAGE);
    const mendedAt = performance.now();
    const parked = new Set((await world.operator.list({ topic })).map(({ aggregateId }) => aggregateId));
    const isParked = (event: string): boolean => parked.has(event.split(' ', 1)[0]!);
    await whenRead('the rest to recover', () => world.missing().every(isParked), recoversWithinMs);
    const recoveredMs = Math.round(performance.now() - mendedAt);
    await world.operator.retryAll({ topic }, { ratePerSecond: 100 });
    await world.whenAllHandled();
    const findings = await world.judge();
    const failed = world.runs().filter(({ ok }) => ok === false).length;
    if (findings.length === 0) world.forget();
    return { findings, events: world.published, failed, parked: parked.size, recoveredMs };
  } finally {
    await world.close();
  }
}
