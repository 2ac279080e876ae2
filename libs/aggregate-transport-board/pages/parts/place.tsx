import type { AggregateView, LetterLine, PlaceLine, Trouble } from '../../src/source/board-source.js';
import { adviceFor } from '../advice.js';
import { counted, spanOf } from '../format.js';
import { groupHref } from '../route.js';
import { SETTINGS } from '../settings.js';
import type { Asked } from './confirm.js';
import { Facts } from './trouble-list.js';
import { Foreign, Kind, Owner, Unknown } from './words.js';

type Ask = (asked: Asked) => void;

interface PlaceProps {
  readonly place: PlaceLine;
  readonly view: AggregateView;
  readonly ask: Ask;
}

/** Where an aggregate stands in one group, why, and what to do. */
export function Place({ place, view, ask }: PlaceProps) {
  const { group, trouble, letters } = place;
  return (
    <section class={`place ${trouble === undefined ? 'tone-good' : `tone-${trouble.kind}`}`}>
      <h2>
        <a href={groupHref({ topic: view.topic, group })}>
          <Foreign text={group} />
        </a>
        {trouble === undefined ? <Moves place={place} /> : <Kind kind={trouble.kind} />}
        {trouble === undefined ? null : <span>for {spanOf(trouble.forMs)}</span>}
      </h2>
      {trouble?.error === undefined ? null : (
        <pre class="error">
          <Foreign text={trouble.error} />
        </pre>
      )}
      <PlaceFacts place={place} at={view.at} />
      {trouble === undefined ? null : <p class="advice">{adviceFor(trouble)}</p>}
      {trouble?.kind === 'parked' && !SETTINGS.isReadOnly ? (
        <Buttons
          trouble={trouble}
          letters={letters}
          first={view.letters.find((one) => one.group === group)}
          ask={ask}
        />
      ) : null}
    </section>
  );
}

function Moves({ place: { waiting, isAnswered } }: { readonly place: PlaceLine }) {
  if (waiting === 0) return <span class="quiet">up to date</span>;
  return isAnswered ? <span class="quiet">moves</span> : <Unknown why="Its owner did not answer" />;
}

function PlaceFacts({ place, at }: { readonly place: PlaceLine; readonly at: number }) {
  const { partition, owner, isOwnerAlive, settledThrough, waiting, letters, trouble } = place;
  return (
    <p class="facts">
      <span>partition {partition}</span>
      <span>
        owner <Owner owner={owner} none="none yet" />
        {owner !== undefined && !isOwnerAlive ? ' (gone)' : ''}
      </span>
      <span>settled through #{settledThrough}</span>
      <span>{counted(waiting, 'event')} not settled</span>
      {letters > 0 ? <span>{counted(letters, 'letter')}</span> : null}
      {trouble === undefined ? null : (
        <Facts trouble={{ ...trouble, partition: undefined, owner: undefined }} at={at} isAlone />
      )}
    </p>
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
        {counted(letters, 'letter')} of {name} are handled again, first to last, until one fails. Nothing is
        lost.
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
        {counted(letters, 'letter')}, from <Foreign text={head} /> on, are never handled by group{' '}
        <Foreign text={group} />.
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
