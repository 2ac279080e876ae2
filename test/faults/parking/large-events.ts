import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually.js';
import { ParkingWorld, type ParkingWorldOptions } from './parking-world.js';
import { whenRead } from './when-read.js';

const CAUSE = 'stock';
const HUNG = 'hung';
const EVENT_BYTES = 100_000;
/** They show how large events are, so that the owner asks for no more than its buffer holds. */
const FIRST = 400;
/** Longer than a pull stays open. */
const PULLS_END_AFTER_MS = 2_500;
const EVENTS = 40;
const BUFFER_BYTES = 2 ** 20;
const WELL = Array.from({ length: 20 }, (_, index) => `well-${index}`);
const BESIDE_WITHIN_MS = 60_000;

export interface LargeEventsResult {
  readonly findings: readonly string[];
  /** Aggregates beside the hung one that were handled while it hung. */
  readonly beside: number;
}

/** The handler of an aggregate with large events hangs: they fill the buffer long before their number is noticed. */
export async function hangLargeEvents(
  server: ParkingWorldOptions['server'],
  topic: string,
): Promise<LargeEventsResult> {
  const world = await ParkingWorld.open({
    server,
    topic,
    workers: { maxBufferedBytes: BUFFER_BYTES, leaseTtlMs: 5_000 },
  });
  const handledBeside = (): number => WELL.filter((key) => world.handled().has(`${key} 1`)).length;
  try {
    world.crew.breakDown(CAUSE);
    await (await world.crew.spawn()).holds();
    const pad = 'x'.repeat(EVENT_BYTES);
    for (let n = 1; n <= FIRST; n++) await world.publish('first', { pad });
    await world.whenAllHandled();
    await delay(PULLS_END_AFTER_MS);
    for (let n = 1; n <= EVENTS; n++)
      await world.publish(HUNG, n === 1 ? { cause: CAUSE, trouble: 'hang', pad } : { pad });
    for (const key of WELL) await world.publish(key);
    const all = (): boolean => handledBeside() === WELL.length;
    await whenRead('the others to be handled', all, BESIDE_WITHIN_MS).catch(() => undefined);
    const beside = handledBeside();
    world.crew.mend(CAUSE);
    await world.whenAllHandled();
    await eventually('nothing to be parked', async () => (await world.parkedTokens()).length === 0);
    const findings = await world.judge();
    if (findings.length === 0) world.forget();
    return { findings, beside };
  } finally {
    await world.close();
  }
}
