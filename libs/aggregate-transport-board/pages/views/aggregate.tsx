import type { AggregateView } from '../../src/source/board-source.js';
import { counted, countOf } from '../format.js';
import { useConfirm } from '../parts/confirm.js';
import { Letters } from '../parts/letters.js';
import { Place } from '../parts/place.js';
import { Timeline } from '../parts/timeline.js';
import { Empty, Foreign, Notes } from '../parts/words.js';
import { hrefOf, type Route } from '../route.js';

type AggregateRoute = Extract<Route, { readonly page: 'aggregate' }>;

/** How many more events are asked for at a time. */
const MORE = 400;

/** One aggregate: where it stands in each group and what to do, its letters, and its whole history. */
export function AggregatePage({
  view,
  route,
}: {
  readonly view: AggregateView;
  readonly route: AggregateRoute;
}) {
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
