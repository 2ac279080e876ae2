import type { AggregateView, LetterLine } from '../../src/source/board-source.js';
import { counted } from '../format.js';
import { TraceLink } from './timeline.js';
import { Foreign, Payload, Time } from './words.js';

/** Events that wait in the parked stream, first to last. */
export function Letters({
  letters,
  view,
}: {
  readonly letters: readonly LetterLine[];
  readonly view: AggregateView;
}) {
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
      <Payload text={payload} />
    </li>
  );
}
