import type { GroupView, TroubleKind } from '../../src/source/board-source.js';
import { counted, countOf } from '../format.js';
import { useField } from '../live/use-field.js';
import { hrefOf, type Route } from '../route.js';
import { SETTINGS } from '../settings.js';
import type { Asked } from './confirm.js';
import { TroubleList } from './trouble-list.js';
import { Empty } from './words.js';

type GroupRoute = Extract<Route, { readonly page: 'group' }>;
const KINDS: readonly TroubleKind[] = ['stuck', 'blocked', 'parked', 'retrying', 'slow'];

interface TroublesProps {
  readonly view: GroupView;
  readonly route: GroupRoute;
  readonly ask: (asked: Asked) => void;
  /** False while the rows answer an older question. */
  readonly isAnswer: boolean;
}

/** The aggregates of a group that need a look, by kind and text, a page at a time. */
export function GroupTroubles({ view, route, ask, isAnswer }: TroublesProps) {
  return (
    <section aria-labelledby="troubles">
      <div class="section-head">
        <h2 id="troubles">What needs you</h2>
        <Filters route={route} />
        <RetryAll view={view} ask={ask} />
      </div>
      {isAnswer ? <Rows view={view} route={route} /> : <p class="waiting">Asking the server…</p>}
    </section>
  );
}

function Rows({ view: { troubles, at }, route }: Pick<TroublesProps, 'view' | 'route'>) {
  const isFiltered = route.kind !== undefined || route.text !== '';
  return (
    <>
      {troubles.total === 0 ? (
        <Empty title={isFiltered ? 'None is like that' : 'No aggregate is stuck, blocked or parked'}>
          {isFiltered ? 'Take another kind, or a shorter text.' : 'Nothing to do here.'}
        </Empty>
      ) : (
        <TroubleList troubles={troubles.rows} at={at} />
      )}
      <Pages troubles={troubles} route={route} />
    </>
  );
}

function Pages({
  troubles,
  route,
}: {
  readonly troubles: GroupView['troubles'];
  readonly route: GroupRoute;
}) {
  const { offset, limit, total, rows } = troubles;
  if (total <= limit) return null;
  const at = (to: number): string => hrefOf({ ...route, offset: to });
  return (
    <nav class="pages" aria-label="Pages of aggregates">
      {offset > 0 ? (
        <a href={at(Math.max(0, offset - limit))}>← worse ones</a>
      ) : (
        <span class="quiet">← worse ones</span>
      )}
      <span>
        {countOf(offset + 1)} to {countOf(offset + rows.length)} of {countOf(total)}
      </span>
      {offset + limit < total ? (
        <a href={at(offset + limit)}>next ones →</a>
      ) : (
        <span class="quiet">next ones →</span>
      )}
    </nav>
  );
}

function Filters({ route }: { readonly route: GroupRoute }) {
  const go = (change: Partial<GroupRoute>): void => {
    location.hash = hrefOf({ ...route, offset: 0, ...change });
  };
  return (
    <>
      <select
        aria-label="Kind"
        value={route.kind ?? ''}
        onChange={({ currentTarget: { value } }) =>
          go({ kind: value === '' ? undefined : (value as TroubleKind) })
        }
      >
        <option value="">all kinds</option>
        {KINDS.map((kind) => (
          <option key={kind} value={kind}>
            {kind}
          </option>
        ))}
      </select>
      <TextFilter text={route.text} go={(text) => go({ text })} />
    </>
  );
}

/** What is typed is kept while the page gets newer states. */
function TextFilter({ text, go }: { readonly text: string; readonly go: (text: string) => void }) {
  const field = useField(text);
  return (
    <input
      type="search"
      aria-label="Part of the id or the error"
      placeholder="part of the id or the error"
      value={field.text}
      onInput={({ currentTarget: { value } }) => field.type(value)}
      onChange={({ currentTarget: { value } }) => {
        field.send();
        go(value);
      }}
    />
  );
}

function RetryAll({ view: { group }, ask }: Pick<TroublesProps, 'view' | 'ask'>) {
  if (SETTINGS.isReadOnly || group.parked === 0) return null;
  const retryAll: Asked = {
    command: { kind: 'retryAll', topic: group.topic, group: group.group },
    title: `Retry all ${counted(group.parked, 'parked aggregate')}?`,
    text: 'Their letters are handled again in order, 20 aggregates a second. What fails again stays parked. Nothing is lost.',
    verb: 'Retry all',
  };
  return (
    <button type="button" onClick={() => ask(retryAll)}>
      Retry all parked…
    </button>
  );
}
