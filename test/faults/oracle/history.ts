import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type EffectLine,
  type Handling,
  type ParentLine,
  readJournal,
  type WorkerLine,
} from '../harness/journal.js';
import type { PositionLine, SentPosition } from '../harness/position-tap.js';
import type { ConsumerSetup } from '../consumer/scenario.js';
import type { StoredEvent } from './stored.js';

/** Milliseconds on the monotonic clock, as every time in a history. */
export type Ms = number;

/** One run of a handler. */
export interface Attempt extends Handling {
  readonly worker: string;
  readonly start: Ms;
  /** When it ended, or when its process did; infinity if neither did. */
  end: Ms;
  /** Undefined if its process ended first. */
  ok: boolean | undefined;
}

export interface Effect extends Handling {
  readonly worker: string;
  readonly accepted: boolean;
  readonly highest: number;
  readonly at: Ms;
}

export interface Publish {
  readonly key: string;
  readonly n: number;
  outcome: 'ok' | 'fail' | 'unknown' | 'none';
  seq: number;
}

/** A time in which something was broken on purpose. */
export interface Trouble {
  readonly kind: string;
  /** The worker it hit; undefined: all of them. */
  readonly worker: string | undefined;
  readonly from: Ms;
  to: Ms;
}

export interface LogLine {
  readonly worker: string;
  readonly at: Ms;
  readonly level: string;
  readonly text: string;
}

export interface Exit {
  readonly worker: string;
  readonly at: Ms;
  readonly how: string;
  readonly expected: boolean;
}

/** An event that was on its way into the parked stream. */
export interface SentLetter {
  readonly seq: number;
  readonly at: Ms;
}

/** A write of a partition's position, with the server's answer. */
export interface PositionWrite extends Omit<SentPosition, 'what'> {
  /** When it passed by. */
  readonly at: Ms;
  /** `unanswered` also if the answer passed by unheard. */
  outcome: 'stored' | 'refused' | 'unanswered';
  /** When its answer passed by: never before the server had decided. */
  answeredAt: Ms | undefined;
}

/** Everything that is known of a run, from all journals and the stream. */
export interface History {
  readonly attempts: readonly Attempt[];
  readonly effects: readonly Effect[];
  readonly publishes: readonly Publish[];
  readonly stored: readonly StoredEvent[];
  readonly troubles: readonly Trouble[];
  readonly logs: readonly LogLine[];
  readonly exits: readonly Exit[];
  /** Every position the owners have written, stored or not, in the order in which they passed by. */
  readonly positions: readonly PositionWrite[];
  /** Events on their way into the parked stream, such as a diverted lane's. Their handlers get them later, from there. */
  readonly letters: readonly SentLetter[];
  /** When the tap lost or regained its connection. */
  readonly tapGaps: readonly Ms[];
  readonly consumers: ConsumerSetup;
  /** All was settled within the bound after the faults ended. */
  readonly quiet: boolean;
}

const NANOS_PER_MS = 1_000_000;

/** Reads all journals of a run's folder; with `holding`, only the lines that hold this text. */
export function readHistory(
  folder: string,
  rest: Pick<History, 'stored' | 'consumers' | 'quiet'>,
  holding = '',
): History {
  const parent = readJournal<ParentLine>(join(folder, 'parent.jsonl'), holding);
  const exits = exitsOf(parent);
  const attempts: Attempt[] = [];
  const logs: LogLine[] = [];
  const troubles = troublesOf(parent);
  for (const file of readdirSync(folder).filter((name) => /^worker-.*\.jsonl$/.test(name))) {
    const worker = file.replace('.jsonl', '');
    const lines = readJournal<WorkerLine>(join(folder, file), holding);
    const exit = exits.find((one) => one.worker === worker);
    attempts.push(...attemptsOf(worker, lines, exit?.at ?? Number.POSITIVE_INFINITY));
    for (const line of lines) {
      const at = line.at / NANOS_PER_MS;
      if (line.what === 'log') logs.push({ worker, at, level: line.level, text: line.text });
      if (line.what === 'block' || line.what === 'hang') note(troubles, line.what, worker, line.on, at);
    }
  }
  return {
    ...rest,
    attempts: attempts.sort((a, b) => a.start - b.start),
    effects: readJournal<EffectLine>(join(folder, 'effects.jsonl'), holding).map((line) => ({
      ...line,
      at: line.at / NANOS_PER_MS,
    })),
    publishes: publishesOf(parent),
    troubles,
    logs: logs.sort((a, b) => a.at - b.at),
    exits,
    positions: positionsOf(parent),
    letters: parent.flatMap((line) =>
      line.what === 'letter' ? [{ seq: line.seq, at: line.at / NANOS_PER_MS }] : [],
    ),
    tapGaps: parent.filter(({ what }) => what === 'tap.gap').map(({ at }) => at / NANOS_PER_MS),
  };
}

function attemptsOf(worker: string, lines: readonly (WorkerLine & { at: number })[], exitAt: Ms): Attempt[] {
  const attempts: Attempt[] = [];
  const open = new Map<string, Attempt>();
  for (const line of lines) {
    if (line.what !== 'start' && line.what !== 'end') continue;
    const { key, n, seq, partition, epoch, attempt, at } = line;
    const id = `${key} ${n} ${epoch} ${attempt}`;
    if (line.what === 'start') {
      const started: Attempt = {
        ...{ key, n, seq, partition, epoch, attempt, worker },
        start: at / NANOS_PER_MS,
        end: exitAt,
        ok: undefined,
      };
      attempts.push(started);
      open.set(id, started);
      continue;
    }
    const ended = open.get(id);
    if (ended === undefined) continue;
    ended.end = at / NANOS_PER_MS;
    ended.ok = line.ok;
    open.delete(id);
  }
  return attempts;
}

/** A kill counts from its call: its victim does nothing that its journal does not show. */
function exitsOf(parent: readonly (ParentLine & { at: number })[]): Exit[] {
  return parent.flatMap((line) =>
    line.what === 'exit'
      ? [{ worker: line.worker, at: line.at / NANOS_PER_MS, how: line.how, expected: line.expected }]
      : [],
  );
}

function troublesOf(parent: readonly (ParentLine & { at: number })[]): Trouble[] {
  const workers = new Map<number, string>();
  const troubles: Trouble[] = [];
  for (const line of parent) {
    if (line.what === 'spawn') workers.set(line.slot, line.worker);
    if (line.what !== 'fault') continue;
    const worker = line.slot === undefined ? undefined : workers.get(line.slot);
    note(troubles, line.kind, worker, line.on, line.at / NANOS_PER_MS);
  }
  return troubles;
}

/** Faults that have no end to wait for. */
const MOMENTARY = /^(readers-deleted|foreign-pull|cut-publisher|stepdown-.*)$/;

function note(
  troubles: Trouble[],
  kind: string,
  worker: string | undefined,
  ...[on, at]: readonly [boolean, Ms]
): void {
  if (on) {
    const lasting = !MOMENTARY.test(kind);
    troubles.push({ kind, worker, from: at, to: lasting ? Number.POSITIVE_INFINITY : at });
    return;
  }
  const open = troubles.findLast((one) => one.kind === kind && one.worker === worker);
  // A kill and its respawn name two workers; the trouble is that of the first.
  if (open !== undefined) open.to = at;
}

function publishesOf(parent: readonly (ParentLine & { at: number })[]): Publish[] {
  const publishes = new Map<string, Publish>();
  for (const line of parent) {
    if (line.what === 'pub.call') {
      const { key, n } = line;
      publishes.set(`${key} ${n}`, { key, n, outcome: 'none', seq: 0 });
    } else if (line.what === 'pub.ok' || line.what === 'pub.fail' || line.what === 'pub.unknown') {
      const publish = publishes.get(`${line.key} ${line.n}`);
      if (publish === undefined) continue;
      publish.outcome = line.what.slice('pub.'.length) as Publish['outcome'];
      if (line.what === 'pub.ok') publish.seq = line.seq;
    }
  }
  return [...publishes.values()];
}

/** Pairs writes with their answers. `at` is in nanoseconds. Pure. */
export function positionsOf(
  lines: readonly ((ParentLine | PositionLine) & { readonly at: number })[],
): PositionWrite[] {
  const writes = new Map<number, PositionWrite>();
  for (const line of lines) {
    const at = line.at / NANOS_PER_MS;
    if (line.what === 'position.sent') {
      writes.set(line.id, { ...line, at, outcome: 'unanswered', answeredAt: undefined });
    } else if (line.what === 'position.stored' || line.what === 'position.refused') {
      const write = writes.get(line.id);
      if (write === undefined) continue;
      write.outcome = line.what === 'position.stored' ? 'stored' : 'refused';
      write.answeredAt = at;
    }
  }
  return [...writes.values()];
}
