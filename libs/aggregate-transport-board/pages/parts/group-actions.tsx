import { useState } from 'preact/hooks';
import type { GroupLine, RewindTo } from '../../src/source/board-source.js';
import { counted, countOf } from '../format.js';
import type { Asked } from './confirm.js';
import { Foreign } from './words.js';

const COUNTS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

interface ActionsProps {
  readonly group: GroupLine;
  readonly ask: (asked: Asked) => void;
}

/** What changes a whole group: rarely needed, so it stands last and closed. */
export function GroupActions({ group, ask }: ActionsProps) {
  return (
    <details class="actions">
      <summary>Change this group</summary>
      <Repartition group={group} ask={ask} />
      <Rewind group={group} ask={ask} />
    </details>
  );
}

function Repartition({ group: { topic, group, partitions }, ask }: ActionsProps) {
  const [to, setTo] = useState(Math.min(256, partitions * 2));
  const asked: Asked = {
    command: { kind: 'repartition', topic, group, to },
    title: `Repartition from ${partitions} to ${to}?`,
    text: (
      <p>
        Group <Foreign text={group} /> drains first: no new event is handled until the longest handler has
        ended. Then {counted(to, 'partition')} begin where the old ones stopped. Nothing is lost, and the
        order stays.
      </p>
    ),
    verb: 'Repartition',
  };
  return (
    <div class="action">
      <label>
        Partitions{' '}
        <select value={String(to)} onChange={({ currentTarget: { value } }) => setTo(Number(value))}>
          {COUNTS.filter((count) => count !== partitions).map((count) => (
            <option key={count} value={String(count)}>
              {count}
            </option>
          ))}
        </select>
      </label>
      <button type="button" onClick={() => ask(asked)}>
        Repartition…
      </button>
    </div>
  );
}

function Rewind({ group: { topic, group, letters }, ask }: ActionsProps) {
  const [kind, setKind] = useState<RewindTo['kind']>('time');
  const [text, setText] = useState('');
  const to = rewindTo(kind, text);
  const asked = (place: RewindTo): Asked => ({
    command: { kind: 'rewind', topic, group, to: place },
    title: `Rewind group ${group}?`,
    text: (
      <p>
        The group drains, then handles every event again from {placeWords(place)} on, in the next run.
        Handlers must be safe to repeat.
      </p>
    ),
    lost: (
      <>
        Every event from there on is handled again, and letters whose events come again are removed (
        {countOf(letters)} wait now).
      </>
    ),
    verb: 'Rewind',
  });
  return (
    <div class="action">
      <label>
        Rewind to{' '}
        <select value={kind} onChange={({ currentTarget: { value } }) => setKind(value as RewindTo['kind'])}>
          <option value="time">a time</option>
          <option value="sequence">a sequence</option>
          <option value="start">the start</option>
        </select>
      </label>
      {kind === 'start' ? null : (
        <input
          aria-label={kind === 'time' ? 'Time' : 'Sequence'}
          type={kind === 'time' ? 'datetime-local' : 'number'}
          min={kind === 'sequence' ? 1 : undefined}
          value={text}
          onInput={({ currentTarget: { value } }) => setText(value)}
        />
      )}
      <button type="button" disabled={to === undefined} onClick={() => to !== undefined && ask(asked(to))}>
        Rewind…
      </button>
    </div>
  );
}

function rewindTo(kind: RewindTo['kind'], text: string): RewindTo | undefined {
  if (kind === 'start') return { kind };
  if (kind === 'sequence') {
    const sequence = Number(text);
    return Number.isSafeInteger(sequence) && sequence > 0 ? { kind, sequence } : undefined;
  }
  const time = new Date(text).getTime();
  return Number.isNaN(time) || time < 0 ? undefined : { kind, time };
}

function placeWords(place: RewindTo): string {
  if (place.kind === 'start') return 'the start of the stream';
  return place.kind === 'time' ? new Date(place.time).toLocaleString() : `sequence ${place.sequence}`;
}
