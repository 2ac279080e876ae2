import { groupBy } from '../oracle/finding.js';
import type { StoredEvent } from '../oracle/stored.js';
import type { Finding } from './finding.js';
import type { Call, History } from './history.js';

/** These calls were never queued, so nothing depends on them. */
const INDEPENDENT = ['ABORTED', 'PUBLISHER_SATURATED'];

/** What the stream holds of each key, against what was called and what the callers heard. */
export function checkStored({ calls, stored }: History): Finding[] {
  const findings: Finding[] = [];
  const storedByKey = groupBy(stored, ({ key }) => key);
  const callsByKey = groupBy(calls, ({ key }) => key);
  for (const key of new Set([...storedByKey.keys(), ...callsByKey.keys()])) {
    const view = new KeyView(String(key), callsByKey.get(key) ?? [], storedByKey.get(key) ?? []);
    findings.push(...view.copies(), ...view.disorder(), ...view.lies(), ...view.missing(), ...view.skipped());
  }
  return findings;
}

/** One key: its calls in call order, its stored events by sequence. */
class KeyView {
  readonly #callsOf: ReadonlyMap<string | number, Call[]>;
  readonly #firstSeq = new Map<number, number>();
  readonly #lastStored: number;

  constructor(
    private readonly key: string,
    private readonly calls: readonly Call[],
    private readonly stored: readonly StoredEvent[],
  ) {
    this.#callsOf = groupBy(calls, ({ n }) => n);
    for (const { n, seq } of stored) if (!this.#firstSeq.has(n)) this.#firstSeq.set(n, seq);
    this.#lastStored = Math.max(0, ...stored.map(({ n }) => n));
  }

  copies(): Finding[] {
    return this.stored.flatMap(({ n, seq }) => {
      const first = this.#firstSeq.get(n)!;
      return first === seq
        ? []
        : [{ checker: 'copy', text: `${this.key}: ${n} is stored at ${first} and again at ${seq}` }];
    });
  }

  disorder(): Finding[] {
    const findings: Finding[] = [];
    let highest = 0;
    for (const { n, seq } of this.stored) {
      if (!this.#callsOf.has(n)) {
        findings.push({
          checker: 'order',
          text: `${this.key}: ${n} is stored at ${seq} and was never called`,
        });
      } else if (n < highest && this.#firstSeq.get(n) === seq && !this.#isAbandoned(n)) {
        findings.push({ checker: 'order', text: `${this.key}: ${n} is stored at ${seq}, after ${highest}` });
      }
      highest = Math.max(highest, n);
    }
    return findings;
  }

  /** Receipts that name another sequence, refusals of what is stored. */
  lies(): Finding[] {
    const findings: Finding[] = [];
    for (const [name, calls] of this.#callsOf) {
      const n = Number(name);
      const seqs = this.stored.filter((event) => event.n === n).map(({ seq }) => seq);
      if (seqs.length === 0) continue;
      for (const { outcome, seq, life } of calls) {
        if (outcome === 'ok' && !seqs.includes(seq ?? 0)) {
          const text = `${this.key}: life ${life} has a receipt for ${n} at ${seq ?? 0}, stored at ${seqs.join(', ')}`;
          findings.push({ checker: 'order', text });
        }
      }
      if (calls.every(({ outcome }) => outcome === 'fail')) {
        const codes = calls.map(({ code }) => code).join(', ');
        findings.push({
          checker: 'order',
          text: `${this.key}: ${n} is stored at ${seqs.join(', ')}, told ${codes}`,
        });
      }
    }
    return findings;
  }

  /** Confirmed and not there: a hole if later ones are there, else lost. */
  missing(): Finding[] {
    return this.calls.flatMap(({ n, outcome, seq }): Finding[] => {
      if (outcome !== 'ok' || this.#firstSeq.has(n)) return [];
      const text = `${this.key}: ${n} was confirmed at ${seq ?? 0} and is not stored`;
      return [{ checker: n < this.#lastStored ? 'hole' : 'lost', text }];
    });
  }

  /** Stored behind an event that failed, although it was called before that was known. */
  skipped(): Finding[] {
    const findings: Finding[] = [];
    for (const [index, failed] of this.calls.entries()) {
      const { outcome, code = '', n, life, settledPlace } = failed;
      if (outcome === 'ok' || outcome === 'none' || INDEPENDENT.includes(code) || this.#firstSeq.has(n))
        continue;
      for (const later of this.calls.slice(index + 1)) {
        if (later.life !== life || later.place > settledPlace) break;
        if (later.outcome !== 'ok') continue;
        const text = `${this.key}: ${later.n} is stored, though ${n} before it failed with ${code}`;
        findings.push({ checker: 'hole', text });
      }
    }
    return findings;
  }

  /** A life ended with it open or unknown, and no later one got it confirmed: it may come late. */
  #isAbandoned(n: number): boolean {
    const outcomes = (this.#callsOf.get(n) ?? []).map(({ outcome }) => outcome);
    return !outcomes.includes('ok') && outcomes.includes('none');
  }
}
