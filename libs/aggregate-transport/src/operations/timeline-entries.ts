import type { StoredMessage } from '../message/stored-event.js';
import type { ParkedPlace } from '../operating/aggregates/aggregate-places.js';
import type { Letter } from '../records/letter.js';
import type { LiveAggregateView } from './live.js';
import { shownEventOf } from './shown-event.js';
import type { EventStand, LetterEntry, StoredEntry, TimelineEntry } from './timeline.js';

/** What one group knows of an aggregate. */
export interface GroupHistory {
  readonly group: string;
  readonly parked: ParkedPlace | undefined;
  /** Sequences that are not settled. */
  readonly waiting: ReadonlySet<number>;
  readonly letters: readonly Letter[];
  readonly skipped: readonly Letter[];
  readonly edits: readonly Letter[];
}

export interface Known {
  readonly stored: readonly StoredMessage[];
  readonly histories: readonly GroupHistory[];
  readonly live: readonly LiveAggregateView[];
  readonly payloads: boolean;
}

/** All that is known of an aggregate, ascending by time, then by sequence. Pure. */
export function timelineOf({ stored, histories, live, payloads }: Known): TimelineEntry[] {
  const stands = histories.map(standsIn);
  const entries: TimelineEntry[] = stored.map((message) => storedEntry(message, stands, payloads));
  for (const history of histories) entries.push(...entriesOf(history));
  for (const view of live) entries.push(...attemptsOf(view));
  return entries.sort((a, b) => a.at - b.at || a.sequence - b.sequence);
}

interface GroupStands {
  readonly group: string;
  readonly of: (sequence: number) => EventStand;
}

function standsIn({ group, waiting, letters, skipped }: GroupHistory): GroupStands {
  const ofLetters = new Set(letters.map(({ note }) => note.sequence));
  const ofSkipped = new Set(skipped.map(({ note }) => note.sequence));
  return {
    group,
    of: (sequence) => {
      if (ofLetters.has(sequence)) return 'letter';
      if (ofSkipped.has(sequence)) return 'skipped';
      return waiting.has(sequence) ? 'waiting' : 'handled';
    },
  };
}

function storedEntry(message: StoredMessage, stands: readonly GroupStands[], payloads: boolean): StoredEntry {
  const { sequence, headers } = message;
  return {
    kind: 'stored',
    at: Date.parse(message.storedAt),
    sequence,
    ...(payloads ? { headers } : {}),
    ...shownEventOf(message, payloads),
    groups: stands.map(({ group, of }) => ({ group, stand: of(sequence) })),
  };
}

function entriesOf({ group, parked, letters, skipped, edits }: GroupHistory): TimelineEntry[] {
  const entries: TimelineEntry[] = [
    ...letters.map((letter) => letterEntry(group, letter)),
    ...skipped.map((letter): TimelineEntry => ({ ...filedEntry(group, letter), kind: 'skipped' })),
  ];
  for (const { note } of edits) {
    const { edit, sequence } = note;
    if (edit === undefined) continue;
    entries.push({ kind: 'edited', group, at: edit.at, sequence, editId: edit.id, comment: edit.comment });
  }
  // One that is only asked to be replayed is live.
  if (parked !== undefined && parked.state !== 'asked') {
    const { since, sequence, reason, error, attempts } = parked;
    entries.push({ kind: 'parked', group, at: since.getTime(), sequence, reason, error, attempts });
  }
  return entries;
}

function letterEntry(group: string, letter: Letter): LetterEntry {
  return { ...filedEntry(group, letter), kind: 'letter', replacedBy: letter.note.replacedBy };
}

function filedEntry(group: string, { note, position }: Letter): Omit<LetterEntry, 'kind' | 'replacedBy'> {
  const { sequence, storedAt, reason, error, attempts } = note;
  return { group, at: storedAt, sequence, position, reason, error, attempts };
}

function attemptsOf({ group, owner }: LiveAggregateView): TimelineEntry[] {
  const lane = owner?.lane;
  if (owner === undefined || lane?.sequence === undefined) return [];
  const { replica } = owner;
  const { sequence, attempt, startedAt, error, nextAt, state, isRunning } = lane;
  const entries: TimelineEntry[] = [];
  if (error !== undefined && startedAt !== undefined) {
    const attempts = isRunning ? attempt - 1 : attempt;
    entries.push({
      kind: 'failed',
      group,
      replica,
      at: isRunning ? (lane.since ?? startedAt) : startedAt,
      sequence,
      attempts,
      error,
      nextAt,
    });
  }
  if (isRunning && startedAt !== undefined)
    entries.push({
      kind: 'running',
      group,
      replica,
      at: startedAt,
      sequence,
      attempt,
      isStuck: state === 'stuck',
    });
  return entries;
}
