import { type Finding, groupBy } from './finding.js';
import type { Ack, Attempt, Effect, History, Ms, Trouble } from './history.js';

/** A killed server may have forgotten what it confirmed this short before; it writes acks ten times a second. */
const FORGOTTEN_BY_KILL_MS = 1_000;
/** The order to delete a consumer may reach a busy server this late. */
const DELETED_WITHIN_MS = 3_000;

/**
 * C1 and C6 on starts, C8 on takeovers, C1 on side effects.
 *
 * Starts are judged epoch by epoch. Within an epoch one process remembers all, so nothing may repeat and
 * nothing may be skipped: n+1 follows n that succeeded, n follows n that failed. An epoch may begin a key
 * again further back, never further on.
 */
export function checkOrder(history: History): { findings: Finding[]; replays: number } {
  const findings: Finding[] = [];
  let replays = 0;
  const settled = new Settlements(history);
  for (const [key, attempts] of groupBy(history.attempts, (attempt) => attempt.key)) {
    let position = 0;
    let farthest = 0;
    let earlier: Attempt[] = [];
    const epochs = groupBy(attempts, (attempt) => attempt.epoch);
    for (const [epoch, run] of [...epochs].sort(([a], [b]) => Number(a) - Number(b))) {
      const first = run[0]!;
      position = positionBefore(first.start, earlier, position);
      if (first.n > position + 1) {
        const text = `${key}: epoch ${epoch} (${first.worker}) started ${first.n} when ${position} was the last one done`;
        findings.push({ checker: 'C1', text: `${text}, at ${first.start}` });
      }
      const repeated = settled.repeatedBy(first);
      if (repeated !== undefined) findings.push({ checker: 'C8', text: repeated });
      findings.push(...judgeRun(String(key), run));
      replays += run.filter(({ n, attempt }) => attempt === 1 && n <= farthest).length;
      for (const { n, ok } of run) if (ok === true) farthest = Math.max(farthest, n);
      position = Math.min(position, first.n - 1);
      earlier = run;
    }
  }
  return { findings: [...findings, ...judgeEffects(history.effects)], replays };
}

/** The last number that the epoch before had done by then. */
function positionBefore(time: Ms, earlier: readonly Attempt[], position: number): number {
  return earlier.reduce(
    (last, { n, ok, end }) => (ok === true && end <= time ? Math.max(last, n) : last),
    position,
  );
}

function judgeRun(key: string, run: readonly Attempt[]): Finding[] {
  const findings: Finding[] = [];
  for (const [index, attempt] of run.entries()) {
    const before = run[index - 1];
    if (before === undefined) continue;
    const where = `${key}: epoch ${attempt.epoch} (${attempt.worker}) started ${attempt.n} at ${attempt.start}`;
    if (before.ok === true && attempt.n > before.n + 1) {
      findings.push({ checker: 'C1', text: `${where}, after ${before.n}: a hole` });
    } else if (before.ok === true && attempt.n <= before.n) {
      findings.push({ checker: 'C1', text: `${where}, after ${before.n}: a repeat within one epoch` });
    } else if (before.ok !== true && attempt.n !== before.n) {
      findings.push({ checker: 'C6', text: `${where}, though ${before.n} had not succeeded` });
    }
  }
  return findings;
}

/** The accepted side effects of a key, in the order the store decided: back only with a new epoch, never ahead. */
function judgeEffects(effects: readonly Effect[]): Finding[] {
  const findings: Finding[] = [];
  // A store without a fence takes stale writes too; exclusion counts those.
  const current = effects.filter(({ accepted, epoch, highest }) => accepted && epoch >= highest);
  for (const [key, ofKey] of groupBy(current, (effect) => effect.key)) {
    let before: Effect | undefined;
    for (const effect of ofKey) {
      const { n, epoch } = effect;
      const where = `${key}: effect ${n} of epoch ${epoch} (${effect.worker}, at ${effect.at})`;
      if (n > (before?.n ?? 0) + 1) {
        findings.push({ checker: 'C1', text: `${where} after effect ${before?.n ?? 0}: a hole` });
      } else if (before !== undefined && n <= before.n && epoch <= before.epoch) {
        findings.push({ checker: 'C1', text: `${where} after effect ${before.n} of the same epoch` });
      }
      before = effect;
    }
  }
  return findings;
}

/** What the server had confirmed as settled, and for good. */
class Settlements {
  readonly #confirmed: ReadonlyMap<string | number, Ack[]>;
  readonly #kills: readonly Trouble[];
  readonly #deletions: readonly Trouble[];
  readonly #leases = new Map<string, Ms>();

  constructor(history: History) {
    // A letter is settled when it is removed; the checker of parked aggregates (C7) judges that.
    const letters = new Set(history.letters.map(({ seq }) => seq));
    const settled = history.acksConfirmed.filter(({ seq }) => !letters.has(seq));
    this.#confirmed = groupBy(settled, (ack) => ack.seq);
    this.#kills = history.troubles.filter(({ kind }) => kind === 'server-kill');
    // A consumer that was deleted by hand is made anew at the floor the lease remembers, which is up to a renewal
    // old. So settled events above that floor legally come again; the floor is nobody's to see, so all are let pass.
    this.#deletions = history.troubles.filter(({ kind }) => kind === 'consumer-delete');
    for (const { worker, text, at } of history.logs) {
      const held = /partition (\d+): lease held, epoch (\d+)/.exec(text);
      if (held !== null) this.#leases.set(`${worker} ${held[1] ?? ''} ${held[2] ?? ''}`, at);
    }
  }

  /** Says so if an epoch begins a key with an event that had been settled before the epoch began. */
  repeatedBy(first: Attempt): string | undefined {
    const leaseAt = this.#leases.get(`${first.worker} ${first.partition} ${first.epoch}`);
    if (leaseAt === undefined) return undefined;
    const ack = this.#confirmed
      .get(first.seq)
      ?.find(({ at }) => at < leaseAt && !this.#isForgotten(at, first.start));
    if (ack === undefined) return undefined;
    return (
      `${first.key}: epoch ${first.epoch} (${first.worker}) began with ${first.n} (sequence ${first.seq}) at ${first.start}, ` +
      `whose ack was confirmed at ${ack.at}, before the lease at ${leaseAt}`
    );
  }

  #isForgotten(confirmedAt: Ms, now: Ms): boolean {
    // Up to its death, which comes after the call that kills it, a server confirms what it will not remember.
    const byKill = this.#kills.some(
      ({ from, to }) => confirmedAt >= from - FORGOTTEN_BY_KILL_MS && confirmedAt <= to,
    );
    // The order to delete takes its time to reach the server, too.
    return (
      byKill || this.#deletions.some(({ from }) => from + DELETED_WITHIN_MS >= confirmedAt && from <= now)
    );
  }
}
