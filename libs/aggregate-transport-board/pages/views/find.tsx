import { useEffect, useState } from 'preact/hooks';
import type { Failure } from '../../src/failure.js';
import type { FoundAggregate } from '../../src/source/board-source.js';
import { find } from '../live/send.js';
import { Empty, Foreign } from '../parts/words.js';
import { aggregateHref, routeOf } from '../route.js';

type Found = readonly FoundAggregate[] | Failure | undefined;

function isFailure(found: Exclude<Found, undefined>): found is Failure {
  return 'code' in found;
}

/** False once the address is another one, which comes before its page does: no operator is taken back. */
function isAsked(text: string): boolean {
  const route = routeOf(location.hash);
  return route.page === 'find' && route.text === text;
}

/** Aggregates whose id was asked for. */
export function FindPage({ text }: { readonly text: string }) {
  const [found, setFound] = useState<Found>(undefined);
  useEffect(() => {
    let isWanted = true;
    void find(text).then((answer) => {
      if (!isWanted || !isAsked(text)) return;
      const [only, ...others] = isFailure(answer) ? [] : answer;
      if (only !== undefined && others.length === 0 && only.aggregateId === text)
        location.replace(aggregateHref(only.topic, only.aggregateId));
      else setFound(answer);
    });
    return () => {
      isWanted = false;
    };
  }, [text]);
  return (
    <>
      <h1 class="title">
        Find <Foreign text={text} />
      </h1>
      <Results found={found} />
    </>
  );
}

function Results({ found }: { readonly found: Found }) {
  if (found === undefined) return <p class="waiting">Asking the server…</p>;
  if (isFailure(found))
    return (
      <Empty title="The search did not work">
        <Foreign text={found.text} />
      </Empty>
    );
  if (found.length === 0)
    return (
      <Empty title="No aggregate has this id">
        The whole id finds an aggregate with events. A part of it finds parked ones only.
      </Empty>
    );
  return (
    <ul class="found">
      {found.map(({ topic, aggregateId, parkedIn }) => (
        <li key={`${topic} ${aggregateId}`}>
          <a class="row-link" href={aggregateHref(topic, aggregateId)}>
            <Foreign text={aggregateId} />
          </a>
          <span class="quiet">
            on <Foreign text={topic} />
            {parkedIn.length === 0 ? '' : ', parked in '}
            {parkedIn.length === 0 ? null : <Foreign text={parkedIn.join(', ')} />}
          </span>
        </li>
      ))}
    </ul>
  );
}
