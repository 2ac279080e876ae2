import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually.js';
import { stamp } from '../harness/journal.js';
import { randomFor } from '../harness/random.js';
import { quantile } from '../consumer/report.js';
import type { HandlerRun } from './parking-history.js';
import { ParkingWorld, type ParkingWorldOptions } from './parking-world.js';
import type { WorkerSetup } from './setup.js';

export interface HotHeadOptions {
  readonly server: ParkingWorldOptions['server'];
  readonly topic: string;
  readonly seed: number;
  readonly eventsPerSecond: number;
  /** As long without the hung handler as with it. */
  readonly windowMs: number;
  readonly workers: Partial<WorkerSetup>;
  readonly liveAgainWithinMs: number;
}

export interface HotHeadResult {
  readonly findings: readonly string[];
  readonly events: number;
  /** Events of the other aggregates that were handled, per window. */
  readonly without: number;
  readonly beside: number;
  /** From publish to handled, of the other aggregates, in milliseconds. */
  readonly p99WithoutMs: number;
  readonly p99BesideMs: number;
  readonly letters: number;
  /** From the return of the handler until the aggregate is live. */
  readonly liveAgainMs: number;
}

const HOT = 'hot';
const HOT_SHARE = 0.99;
const OTHERS = 50;
const CAUSE = 'lock';
const TICK_MS = 10;
const NANOS_PER_MS = 1_000_000;

/** One aggregate gets nearly all events, and for half of the time its handler hangs. */
export async function hangHotHead(options: HotHeadOptions): Promise<HotHeadResult> {
  const { server, topic, seed, windowMs, workers, liveAgainWithinMs } = options;
  const world = await ParkingWorld.open({ server, topic, workers, tapPositions: false });
  const load = new HotLoad(world, options.eventsPerSecond, randomFor(seed));
  try {
    world.crew.breakDown(CAUSE);
    await (await world.crew.spawn()).holds();
    const without = await load.during(windowMs);
    await world.publish(HOT, { cause: CAUSE, trouble: 'hang' });
    const beside = await load.during(windowMs);
    world.crew.mend(CAUSE);
    const mendedAt = performance.now();
    const letters = (await world.parkedState(HOT))?.letters ?? 0;
    const isLive = async (): Promise<boolean> => (await world.parkedTokens()).length === 0;
    await eventually('the aggregate to be live again', isLive, liveAgainWithinMs);
    const liveAgainMs = Math.round(performance.now() - mendedAt);
    await world.publish(HOT);
    await world.whenAllHandled();
    const findings = await world.judge();
    const runs = world.runs().filter(({ key }) => key !== HOT);
    if (findings.length === 0) world.forget();
    return {
      ...{ findings, events: world.published, letters, liveAgainMs },
      without: handledIn(runs, without),
      beside: handledIn(runs, beside),
      p99WithoutMs: load.p99(runs, without),
      p99BesideMs: load.p99(runs, beside),
    };
  } finally {
    await world.close();
  }
}

interface Window {
  readonly from: number;
  readonly to: number;
}

function handledIn(runs: readonly HandlerRun[], { from, to }: Window): number {
  return runs.filter(({ ok, end }) => ok === true && end >= from && end < to).length;
}

function now(): number {
  return stamp() / NANOS_PER_MS;
}

class HotLoad {
  readonly #publishedAt = new Map<number, number>();

  constructor(
    private readonly world: ParkingWorld,
    private readonly eventsPerSecond: number,
    private readonly random: () => number,
  ) {}

  /** Publishes at the same pace for so long; resolves when all of it is stored. */
  async during(ms: number): Promise<Window> {
    const from = now();
    const outcomes: Promise<void>[] = [];
    let owed = 0;
    for (let last = from; last < from + ms;) {
      await delay(TICK_MS);
      const time = now();
      owed += ((time - last) / 1_000) * this.eventsPerSecond;
      last = time;
      for (; owed >= 1; owed--) outcomes.push(this.#publish());
    }
    await Promise.all(outcomes);
    return { from, to: from + ms };
  }

  p99(runs: readonly HandlerRun[], { from, to }: Window): number {
    const ages = runs.flatMap(({ seq, ok, end }) => {
      const at = this.#publishedAt.get(seq) ?? 0;
      return ok === true && at >= from && at < to ? [end - at] : [];
    });
    return Math.round(quantile(ages, 0.99) ?? Infinity);
  }

  async #publish(): Promise<void> {
    const isHot = this.random() < HOT_SHARE;
    const key = isHot ? HOT : `cool-${Math.floor(this.random() * OTHERS)}`;
    const at = now();
    this.#publishedAt.set(await this.world.publish(key), at);
  }
}
