import { setTimeout as scheduled } from 'node:timers/promises';
import { OrderOracle } from 'nestjs-aggregate-transport/testing';
import { LongScene } from './long-scene.js';
import { quantile } from '../consumer/report.js';

export interface NeverSettlesOptions {
  readonly forMs: number;
  /** Events that wait in the stream when a phase begins. */
  readonly backlog: number;
  /** Less is a finding. */
  readonly leastRatio: number;
  readonly serverVersion: string;
  readonly say: (text: string) => void;
}

export interface NeverSettlesResult {
  readonly serverVersion: string;
  readonly backlog: number;
  /** Events of the other aggregates a second, phase by phase. */
  readonly without: readonly number[];
  readonly withStuck: readonly number[];
  /** Median with the stuck aggregate over median without it. */
  readonly ratio: number;
  readonly findings: readonly string[];
}

const STUCK = 'stuck';
/** Less than the share of the intake that one aggregate may hold. */
const STUCK_EVENTS = 500;
const KEYS = 500;
const PUBLISHED_AT_ONCE = 2_000;
const PHASE_WITHIN_MS = 120_000;
const LEAST_PHASES = 3;

/**
 * Groups handle the same backlog one after the other, every other one with an aggregate whose handler never
 * settles: the others must not feel it.
 */
export async function runNeverSettles(options: NeverSettlesOptions): Promise<NeverSettlesResult> {
  const { forMs, backlog, leastRatio, serverVersion, say } = options;
  const scene = await LongScene.open(serverVersion);
  const rates: Record<'without' | 'withStuck', number[]> = { without: [], withStuck: [] };
  const findings: string[] = [];
  try {
    const counts = await publishBacklog(scene, backlog);
    // The first phase warms everything up and is not counted.
    const warmUp = await runPhase(scene, 'warm-up', { counts, isStuck: false, findings });
    say(`never-settles: warm-up ${warmUp} events/s`);
    const until = performance.now() + forMs;
    for (let pair = 0; pair < LEAST_PHASES || performance.now() < until; pair++) {
      // By turns, so that a machine that grows busy or idle meanwhile favours neither side.
      const order =
        pair % 2 === 0 ? (['without', 'withStuck'] as const) : (['withStuck', 'without'] as const);
      for (const kind of order) {
        const isStuck = kind === 'withStuck';
        rates[kind].push(await runPhase(scene, `${kind}-${pair}`, { counts, isStuck, findings }));
      }
      say(
        `never-settles: ${rates.without.at(-1) ?? 0} events/s without, ${rates.withStuck.at(-1) ?? 0} with`,
      );
    }
  } finally {
    await scene.close();
  }
  const ratio = (quantile(rates.withStuck, 0.5) ?? 0) / (quantile(rates.without, 0.5) ?? 1);
  if (ratio < leastRatio)
    findings.push(`expected a ratio of at least ${leastRatio}, found ${ratio.toFixed(3)}`);
  return { serverVersion: scene.server.version, backlog, ...rates, ratio, findings };
}

/** The stuck aggregate's events stand at the beginning; resolves with the number of events of each other one. */
async function publishBacklog(scene: LongScene, backlog: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (let n = 1; n <= STUCK_EVENTS; n++) await scene.publish(STUCK, n);
  for (let from = 0; from < backlog; from += PUBLISHED_AT_ONCE) {
    const batch = Array.from({ length: Math.min(PUBLISHED_AT_ONCE, backlog - from) }, (_, index) => {
      const key = `key-${(from + index) % KEYS}`;
      const n = (counts.get(key) ?? 0) + 1;
      counts.set(key, n);
      return scene.publish(key, n);
    });
    await Promise.all(batch);
  }
  return counts;
}

interface Phase {
  readonly counts: ReadonlyMap<string, number>;
  readonly isStuck: boolean;
  readonly findings: string[];
}

/** One group from the first event of the backlog to the last; resolves with events per second. */
async function runPhase(
  scene: LongScene,
  group: string,
  { counts, isStuck, findings }: Phase,
): Promise<number> {
  const oracle = new OrderOracle();
  let total = 0;
  for (const [key, count] of counts) {
    for (let n = 0; n < count; n++) oracle.published(key);
    total += count;
  }
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let handled = 0;
  let [firstAt, lastAt, stuckStarts] = [0, 0, 0];
  let done = (): void => undefined;
  const allHandled = new Promise<void>((resolve) => {
    done = resolve;
  });
  const replica = await scene.startReplica(group, async (_replica, { key, n }) => {
    if (key === STUCK) {
      stuckStarts++;
      if (isStuck) await released;
      return;
    }
    oracle.started(key, n);
    // A handler gives up its turn, as every real one does.
    await Promise.resolve();
    oracle.ended(key, n, true);
    if (handled === 0) firstAt = performance.now();
    if (++handled < total) return;
    lastAt = performance.now();
    done();
  });
  const late = scheduled(PHASE_WITHIN_MS, 'late', { ref: false });
  if ((await Promise.race([allHandled, late])) === 'late') {
    findings.push(`${group}: ${handled} of ${total} events handled within ${PHASE_WITHIN_MS} ms`);
  }
  const { violations, overlaps, repeated } = oracle.verdict();
  findings.push(...violations, ...overlaps);
  if (repeated > 0) findings.push(`${group}: ${repeated} events were handled twice`);
  if (isStuck && stuckStarts !== 1)
    findings.push(`${group}: the stuck aggregate started ${stuckStarts} events, not 1`);
  release();
  await scene.stopReplica(replica);
  return Math.round(handled / ((lastAt - firstAt) / 1_000));
}
