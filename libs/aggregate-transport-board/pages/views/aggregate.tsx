import type { AggregateView, LetterLine, PlaceLine, Trouble } from '../../src/source/board-source.js';
import { adviceFor } from '../advice.js';
import { counted, countOf, spanOf } from '../format.js';
import { type Asked, useConfirm } from '../parts/confirm.js';
import { Timeline, TraceLink } from '../parts/timeline.js';
import { Facts } from '../parts/trouble-list.js';
import { Empty, Foreign, Kind, Notes, Owner, Time, Unknown } from '../parts/words.js';
import { groupHref, hrefOf, type Route } from '../route.js';
import { SETTINGS } from '../settings.js';

type AggregateRoute = Extract<Route, { readonly page: 'aggregate' }>;
type Ask = (asked: Asked) => void;

/** How many more events are asked for at a time. */
const MORE = 400;

/** One aggregate: where it stands in each group and what to do, its letters, and its whole history. */
export function AggregatePage({ view, route }: { readonly view: AggregateView; readonly route: AggregateRoute }) {
  const { topic, aggregateId, events, places, history, older, letters, notes, at } = view;
  const { ask, dialog } = useConfirm();
  return (
    <>
      <p class="over">
        Aggregate on <Foreign text={topic} />
      </p>
      <h1 class="title mono">
        <Foreign text={aggregateId} />
      </h1>
      <Notes notes={notes} />
      {places.map((place) => (
        <Place key={place.group} place={place} view={view} ask={ask} />
      ))}
      {places.length === 0 ? (
        <Empty title="No group has started on this topic">Its events wait until one does.</Empty>
      ) : null}
      <Letters letters={letters} view={view} />
      <section aria-labelledby="history">
        <h2 id="history">
          History <span class="quiet">{counted(events, 'event')} in the stream, newest first</span>
        </h2>
        {history.length === 0 ? (
          <Empty title="The stream holds no event of this aggregate">
            It may be older than the stream keeps, or the id is another one.
          </Empty>
        ) : (
          <Timeline history={history} at={at} letters={letters} />
        )}
        {older > 0 ? (
          <p class="more">
            <a href={hrefOf({ ...route, limit: history.length + MORE })}>{countOf(older)} older ones</a>
          </p>
        ) : null}
      </section>
      {dialog}
    </>
  );
}

function Place({ place, view, ask }: { readonly place: PlaceLine; readonly view: AggregateView; readonly ask: Ask }) {
  const { group, partition, owner, isOwnerAlive, settledThrough, waiting, letters, trouble, isAnswered } = place;
  const ref = { topic: view.topic, group };
  return (
    <section class={`place ${trouble === undefined ? 'tone-good' : `tone-${trouble.kind}`}`}>
      <h2>
        <a href={groupHref(ref)}>
          <Foreign text={group} />
        </a>
        {trouble === undefined ? (
          <span class="quiet">{isAnswered || waiting === 0 ? (waiting === 0 ? 'up to date' : 'moves') : null}</span>
        ) : (
          <>
            <Kind kind={trouble.kind} />
            <span>for {spanOf(trouble.forMs)}</span>
          </>
        )}
        {trouble === undefined && !isAnswered && waiting > 0 ? <Unknown why="Its owner did not answer" /> : null}
      </h2>
      {trouble?.error === undefined ? null : (
        <pre class="error">
          <Foreign text={trouble.error} />
        </pre>
      )}
      <p class="facts">
        <span>partition {partition}</span>
        <span>
          owner <Owner owner={owner} none="none yet" />
          {owner !== undefined && !isOwnerAlive ? ' (gone)' : ''}
        </span>
        <span>settled through #{settledThrough}</span>
        <span>{counted(waiting, 'event')} not settled</span>
        {letters > 0 ? <span>{counted(letters, 'letter')}</span> : null}
        {trouble === undefined ? null : 
          <Facts trouble={{ ...trouble, partition: undefined, owner: undefined }} at={view.at} isAlone />
        }
      </p>
      {trouble === undefined ? null : <p class="advice">{adviceFor(trouble)}</p>}
      {trouble?.kind === 'parked' && !SETTINGS.isReadOnly ? (
        <Buttons trouble={trouble} letters={letters} first={view.letters.find((one) => one.group === group)} ask={ask} />
      ) : null}
    </section>
  );
}

interface ButtonsProps {
  readonly trouble: Trouble;
  readonly letters: number;
  readonly first: LetterLine | undefined;
  readonly ask: Ask;
}

function Buttons({ trouble: { topic, group, aggregateId }, letters, first, ask }: ButtonsProps) {
  const ref = { topic, group, aggregateId };
  const name = <Foreign text={aggregateId} />;
  const head = first === undefined ? 'its first letter' : `${first.type ?? 'the event'} #${first.sequence}`;
  const retry: Asked = {
    command: { kind: 'retry', ...ref },
    title: 'Retry its letters?',
    text: (
      <p>
        {counted(letters, 'letter')} of {name} are handled again, first to last, until one fails. Nothing is lost.
      </p>
    ),
    verb: 'Retry',
  };
  const skip: Asked = {
    command: { kind: 'skip', ...ref },
    title: 'Skip its first letter?',
    text: (
      <p>
        {name} continues without <Foreign text={head} />. Later events may rely on it.
      </p>
    ),
    lost: (
      <>
        <Foreign text={head} /> is never handled by group <Foreign text={group} />.
      </>
    ),
    verb: 'Skip 1 letter',
  };
  const discard: Asked = {
    command: { kind: 'discard', ...ref },
    title: 'Discard all its letters?',
    text: <p>{name} is live again with its next event, and without all that waits now.</p>,
    lost: (
      <>
        {counted(letters, 'letter')}, from <Foreign text={head} /> on, are never handled by group <Foreign text={group} />.
      </>
    ),
    verb: `Discard ${counted(letters, 'letter')}`,
  };
  return (
    <div class="buttons">
      <button type="button" class="primary" onClick={() => ask(retry)}>
        Retry…
      </button>
      <button type="button" onClick={() => ask(skip)}>
        Skip first…
      </button>
      <button type="button" onClick={() => ask(discard)}>
        Discard…
      </button>
    </div>
  );
}

function Letters({ letters, view }: { readonly letters: readonly LetterLine[]; readonly view: AggregateView }) {
  if (letters.length === 0) return null;
  const more = view.moreLetters;
  const told = new Set(view.places.map(({ group, trouble }) => `${group} ${trouble?.error ?? ''}`));
  return (
    <section aria-labelledby="letters">
      <h2 id="letters">
        Letters <span class="quiet">events that wait, first to last</span>
      </h2>
      <ol class="letters">
        {letters.map((letter) => (
          <Letter
            key={`${letter.group} ${letter.sequence}`}
            letter={letter}
            isTold={told.has(`${letter.group} ${letter.error ?? ''}`)}
          />
        ))}
      </ol>
      {more > 0 ? <p class="quiet">{counted(more, 'more letter')} not listed here</p> : null}
    </section>
  );
}

/** Its error is not repeated if it stands above. */
function Letter({ letter, isTold }: { readonly letter: LetterLine; readonly isTold: boolean }) {
  const { group, sequence, storedAt, type, traceId, reason, error, attempts, payload } = letter;
  return (
    <li>
      <p class="facts">
        <b>
          <Foreign text={type ?? 'unknown type'} /> #{sequence}
        </b>
        <span>
          in <Foreign text={group} />
        </span>
        <Time at={storedAt} />
        {reason === undefined ? null : <span>{reason}</span>}
        {attempts === undefined ? null : <span>{counted(attempts, 'attempt')}</span>}
        <TraceLink traceId={traceId} />
      </p>
      {error === undefined || isTold ? null : (
        <pre class="error">
          <Foreign text={error} />
        </pre>
      )}
      {payload === undefined ? null : (
        <details>
          <summary>Payload</summary>
          <pre class="payload">
            <bdi>{payload}</bdi>
          </pre>
        </details>
      )}
    </li>
  );
}
