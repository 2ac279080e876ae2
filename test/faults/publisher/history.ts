import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJournal } from '../harness/journal.js';
import type { StoredEvent } from '../oracle/stored.js';
import type { DriverLine, PublisherLine } from './journal-lines.js';

/** One publish call and all that was heard of it. An event has a call per life that published it. */
export interface Call {
  readonly key: string;
  readonly n: number;
  readonly life: number;
  /** Its place among all lines of its life: what has a lower one came before. */
  readonly place: number;
  outcome: 'ok' | 'fail' | 'unknown' | 'none';
  /** The place of its outcome; infinity without one. */
  settledPlace: number;
  settledTimes: number;
  code: string | undefined;
  seq: number | undefined;
  readonly results: Result[];
}

export interface Result {
  readonly outcome: 'stored' | 'failed' | 'unknown';
  readonly seq?: number;
  readonly code?: string;
}

/** A process from its start to its end. */
export interface Life {
  readonly life: number;
  /** It had begun to publish. */
  readonly ready: boolean;
  readonly how: string;
  readonly expected: boolean;
  readonly crashes: readonly string[];
  readonly logs: readonly string[];
  readonly end: (PublisherLine & { what: 'end' }) | undefined;
}

/** Everything that is known of a publisher run. */
export interface History {
  readonly calls: readonly Call[];
  readonly lives: readonly Life[];
  readonly wire: readonly DriverLine[];
  /** By sequence. */
  readonly stored: readonly StoredEvent[];
}

/** Reads the journals of a run's folder. */
export function readHistory(folder: string, stored: readonly StoredEvent[]): History {
  const driver = readJournal<DriverLine>(join(folder, 'driver.jsonl'));
  const lives = new Map<number, readonly PublisherLine[]>();
  for (const line of driver) {
    if (line.what !== 'spawn') continue;
    const path = join(folder, `publisher-${line.life}.jsonl`);
    lives.set(line.life, existsSync(path) ? readJournal<PublisherLine>(path) : []);
  }
  return historyOf(driver, lives, stored);
}

export function historyOf(
  driver: readonly DriverLine[],
  lives: ReadonlyMap<number, readonly PublisherLine[]>,
  stored: readonly StoredEvent[],
): History {
  const exits = new Map(driver.flatMap((line) => (line.what === 'exit' ? [[line.life, line]] : [])));
  return {
    calls: [...lives].flatMap(([life, lines]) => callsOf(life, lines)),
    lives: [...lives].map(([life, lines]) => ({
      life,
      ready: lines.some(({ what }) => what === 'ready'),
      how: exits.get(life)?.how ?? 'still running',
      expected: exits.get(life)?.expected ?? false,
      crashes: lines.flatMap((line) => (line.what === 'crash' ? [`${line.kind}: ${line.text}`] : [])),
      logs: lines.flatMap((line) => (line.what === 'log' ? [line.text] : [])),
      end: lines.find((line) => line.what === 'end'),
    })),
    wire: driver,
    stored,
  };
}

function callsOf(life: number, lines: readonly PublisherLine[]): Call[] {
  const calls = new Map<string, Call>();
  for (const [place, line] of lines.entries()) {
    if (!('key' in line)) continue;
    const { key, n } = line;
    const name = `${key} ${n}`;
    if (line.what === 'call') {
      calls.set(name, { key, n, life, place, ...fresh() });
      continue;
    }
    const call = calls.get(name);
    if (call === undefined) throw new Error(`life ${life}: ${line.what} of ${name}, which was never called`);
    if (line.what === 'result') {
      const { outcome, seq, code } = line;
      call.results.push({
        outcome,
        ...(seq === undefined ? {} : { seq }),
        ...(code === undefined ? {} : { code }),
      });
      continue;
    }
    call.settledTimes++;
    call.settledPlace = place;
    call.outcome = line.what;
    if (line.what === 'ok') call.seq = line.seq;
    else call.code = line.code;
  }
  return [...calls.values()];
}

function fresh(): Pick<Call, 'outcome' | 'settledPlace' | 'settledTimes' | 'code' | 'seq' | 'results'> {
  return {
    outcome: 'none',
    settledPlace: Infinity,
    settledTimes: 0,
    code: undefined,
    seq: undefined,
    results: [],
  };
}
