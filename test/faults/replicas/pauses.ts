import { join } from 'node:path';
import type { History, Ms } from '../oracle/history.js';
import { type ParentLine, readJournal } from '../harness/journal.js';

const NANOS_PER_MS = 1_000_000;

/** How long an event waited although it was stored and its predecessor was handled. */
export interface Pause {
  readonly key: string;
  readonly n: number;
  /** When it was free to start. */
  readonly from: Ms;
  readonly ms: number;
}

/** The wait of every event before its first start, in the order of starts. Pure but for the parent's journal. */
export function pausesOf(folder: string, { attempts }: History): Pause[] {
  const storedAt = new Map<string, Ms>();
  for (const line of readJournal<ParentLine>(join(folder, 'parent.jsonl'))) {
    if (line.what === 'pub.ok') storedAt.set(`${line.key} ${line.n}`, line.at / NANOS_PER_MS);
  }
  const endedAt = new Map<string, Ms>();
  const seen = new Set<string>();
  const pauses: Pause[] = [];
  for (const { key, n, start, end, ok } of attempts) {
    const id = `${key} ${n}`;
    if (!seen.has(id)) {
      seen.add(id);
      const from = Math.max(storedAt.get(id) ?? start, endedAt.get(`${key} ${n - 1}`) ?? 0);
      pauses.push({ key, n, from, ms: Math.max(0, start - from) });
    }
    if (ok === true) endedAt.set(id, end);
  }
  return pauses;
}
