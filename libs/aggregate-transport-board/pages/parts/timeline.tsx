import type { EventPlace, LetterLine, StoredMoment } from '../../src/source/board-source.js';
import { counted, spanOf } from '../format.js';
import { SETTINGS } from '../settings.js';
import { Foreign, Owner, Payload, Time } from './words.js';

const STATE_WORDS: Readonly<Record<EventPlace['state'], string>> = {
  handled: 'handled',
  waiting: 'waits',
  running: 'runs now',
  failed: 'failed, is tried again',
  letter: 'waits as a letter',
  skipped: 'skipped',
  unknown: 'unknown',
};

interface TimelineProps {
  readonly history: readonly StoredMoment[];
  readonly at: number;
  /** Those that are listed with their errors. */
  readonly letters: readonly LetterLine[];
}

/** Every event of an aggregate, and what became of it in each group. */
export function Timeline({ history, at, letters }: TimelineProps) {
  const told = new Set(letters.map(({ group, sequence }) => `${group} ${sequence}`));
  return (
    <ol class="timeline">
      {history.map((one) => (
        <Moment key={one.sequence} moment={one} at={at} told={told} />
      ))}
    </ol>
  );
}

const MARKS: readonly EventPlace['state'][] = [
  'failed',
  'letter',
  'skipped',
  'running',
  'waiting',
  'unknown',
];

/** The worst state of an event gives its mark. */
function markOf(places: readonly EventPlace[]): EventPlace['state'] {
  return MARKS.find((state) => places.some((place) => place.state === state)) ?? 'handled';
}

interface MomentProps {
  readonly moment: StoredMoment;
  readonly at: number;
  readonly told: ReadonlySet<string>;
}

function Moment({ moment, at, told }: MomentProps) {
  const { sequence, storedAt, type, eventId, traceId, payload, places } = moment;
  return (
    <li class={`moment moment-${markOf(places)}`}>
      <p class="moment-head">
        <b>
          <Foreign text={type ?? 'unknown type'} />
        </b>
        <span class="number">#{sequence}</span>
        <Time at={storedAt} />
        <span class="quiet">{spanOf(Math.max(0, at - storedAt))} ago</span>
        <TraceLink traceId={traceId} />
      </p>
      {places.map((place) => (
        <Stand key={place.group} place={place} isTold={told.has(`${place.group} ${sequence}`)} />
      ))}
      {eventId === undefined ? null : (
        <p class="quiet small">
          event <Foreign text={eventId} />
        </p>
      )}
      <Payload text={payload} />
    </li>
  );
}

function Stand({ place, isTold }: { readonly place: EventPlace; readonly isTold: boolean }) {
  const { group, state, attempts, error, reason, by } = place;
  return (
    <div class={`stand stand-${state}`}>
      <p class="facts">
        <span class="stand-group">
          <Foreign text={group} />
        </span>
        <span class="stand-state">{STATE_WORDS[state]}</span>
        {attempts === undefined ? null : <span>{counted(attempts, 'attempt')}</span>}
        {by === undefined ? null : (
          <span>
            at <Owner owner={by} />
          </span>
        )}
        {reason === undefined ? null : (
          <span>
            <Foreign text={reason} />
          </span>
        )}
      </p>
      {error === undefined || isTold ? null : (
        <pre class="error">
          <Foreign text={error} />
        </pre>
      )}
    </div>
  );
}

/** The template is the operator's, the id is hostile: it can only fill its place. */
export function TraceLink({ traceId }: { readonly traceId: string | undefined }) {
  if (traceId === undefined) return null;
  const { traceUrl } = SETTINGS;
  if (traceUrl === undefined)
    return (
      <span class="quiet small">
        trace <Foreign text={traceId} />
      </span>
    );
  return (
    <a
      href={traceUrl.replaceAll('{traceId}', encodeURIComponent(traceId))}
      target="_blank"
      rel="noopener noreferrer"
    >
      trace ↗
    </a>
  );
}
