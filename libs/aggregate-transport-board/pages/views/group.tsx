import type { ChangeNow, GroupView, TroubleKind } from '../../src/source/board-source.js';
import { counted, countOf } from '../format.js';
import { type Asked, useConfirm } from '../parts/confirm.js';
import { Findings } from '../parts/findings.js';
import { GroupActions } from '../parts/group-actions.js';
import { Breaker, Times } from '../parts/group-table.js';
import { PartitionTable, ProcessTable } from '../parts/partition-table.js';
import { TroubleList } from '../parts/trouble-list.js';
import { Count, Empty, Foreign, Notes, Rate, Span } from '../parts/words.js';
import { hrefOf, type Route } from '../route.js';
import { SETTINGS } from '../settings.js';

type GroupRoute = Extract<Route, { readonly page: 'group' }>;
const KINDS: readonly TroubleKind[] = ['stuck', 'blocked', 'parked', 'retrying', 'slow'];

/** One group: how it stands, what is wrong in it, its partitions and processes, and what can be changed. */
export function GroupPage({ view, route }: { readonly view: GroupView; readonly route: GroupRoute }) {
  const { group, findings, notes, partitions, processes } = view;
  const { ask, dialog } = useConfirm();
  return (
    <>
      <h1 class="title">
        <Foreign text={group.group} />{' '}
        <span class="quiet">
          on <Foreign text={group.topic} />
        </span>
        {group.condition === 'living' ? null : <span class="condition">{group.condition}</span>}
      </h1>
      <Numbers view={view} />
      <Notes notes={notes} />
      {group.answered === 0 && group.condition !== 'deleted' ? (
        <p class="note">
          No process of this group answered. What stands here is what the server knows; rates, attempts and stuck
          aggregates are unknown. Start a process, or see that it may answer: docs/board.md names the permission.
        </p>
      ) : null}
      {group.change === undefined ? null : <Change change={group.change} view={view} ask={ask} />}
      <Troubles view={view} route={route} ask={ask} />
      <Findings findings={findings} isOfGroup />
      <section aria-labelledby="partitions">
        <h2 id="partitions">Partitions</h2>
        <PartitionTable partitions={partitions} />
      </section>
      <section aria-labelledby="processes">
        <h2 id="processes">Processes</h2>
        {processes.length === 0 ? (
          <Empty title="No process runs">Start one that handles this topic in this group.</Empty>
        ) : (
          <ProcessTable processes={processes} />
        )}
      </section>
      {SETTINGS.isReadOnly || group.condition === 'deleted' ? null : <GroupActions group={group} ask={ask} />}
      {dialog}
    </>
  );
}

function Numbers({ view: { group } }: { readonly view: GroupView }) {
  return (
    <dl class="numbers">
      <div>
        <dt>Lag</dt>
        <dd>
          <Count value={group.lag} />
        </dd>
      </div>
      <div>
        <dt>Oldest waits</dt>
        <dd>
          <Span ms={group.oldestMs} none="none" />
        </dd>
      </div>
      <div>
        <dt>Rate</dt>
        <dd>
          <Rate value={group.perSecond} />
        </dd>
      </div>
      <div>
        <dt>p50 / p99</dt>
        <dd>
          <Times line={group} />
        </dd>
      </div>
      <div class={group.parked > 0 ? 'warn' : ''}>
        <dt>Parked</dt>
        <dd>
          <Count value={group.parked} />
          {group.letters > 0 ? <span class="quiet"> {counted(group.letters, 'letter')}</span> : null}
        </dd>
      </div>
      <div class={group.owned < group.partitions ? 'warn' : ''}>
        <dt>Owned</dt>
        <dd>
          {group.owned} of {group.partitions}
        </dd>
      </div>
      <div class={group.isBreakerOpen === true ? 'bad' : ''}>
        <dt>Breaker</dt>
        <dd>
          <Breaker isOpen={group.isBreakerOpen} />
        </dd>
      </div>
    </dl>
  );
}

const CHANGE_WORDS = { repartition: 'Repartition', reset: 'Rewind', deletion: 'Deletion' } as const;

function Change({
  change,
  view: { group },
  ask,
}: {
  readonly change: ChangeNow;
  readonly view: GroupView;
  readonly ask: (asked: Asked) => void;
}) {
  const { topic } = group;
  const cancel: Asked = {
    command: { kind: 'cancel', topic, group: group.group },
    title: 'Call off the change?',
    text: 'The group stays as it was, and its partitions resume.',
    verb: 'Call off',
  };
  return (
    <section class="change" aria-labelledby="change">
      <h2 id="change">
        {CHANGE_WORDS[change.kind]} under way{change.kind === 'repartition' ? ` to ${counted(change.to, 'partition')}` : ''}
      </h2>
      <progress max={Math.max(1, change.of)} value={change.drained} aria-label="Partitions at rest" />
      <p>
        {change.drained} of {counted(change.of, 'partition')} at rest.
        {change.holders.length === 0 ? '' : ' It waits for handlers that run:'}
      </p>
      {change.holders.map((holder) => (
        <p key={holder}>
          <Foreign text={holder} />
        </p>
      ))}
      {SETTINGS.isReadOnly ? null : (
        <button type="button" onClick={() => ask(cancel)}>
          Call off…
        </button>
      )}
    </section>
  );
}

function Troubles({
  view: { troubles, group, at },
  route,
  ask,
}: {
  readonly view: GroupView;
  readonly route: GroupRoute;
  readonly ask: (asked: Asked) => void;
}) {
  const isFiltered = route.kind !== undefined || route.text !== '';
  const go = (change: Partial<GroupRoute>): void => {
    location.hash = hrefOf({ ...route, offset: 0, ...change });
  };
  const retryAll: Asked = {
    command: { kind: 'retryAll', topic: group.topic, group: group.group },
    title: `Retry all ${counted(group.parked, 'parked aggregate')}?`,
    text: 'Their letters are handled again in order, 20 aggregates a second. What fails again stays parked. Nothing is lost.',
    verb: 'Retry all',
  };
  return (
    <section aria-labelledby="troubles">
      <div class="section-head">
        <h2 id="troubles">What needs you</h2>
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
        <input
          type="search"
          aria-label="Part of the id or the error"
          placeholder="part of the id or the error"
          value={route.text}
          onChange={({ currentTarget: { value } }) => go({ text: value })}
        />
        {SETTINGS.isReadOnly || group.parked === 0 ? null : (
          <button type="button" onClick={() => ask(retryAll)}>
            Retry all parked…
          </button>
        )}
      </div>
      {troubles.total === 0 ? (
        <Empty title={isFiltered ? 'None is like that' : 'No aggregate is stuck, blocked or parked'}>
          {isFiltered ? 'Take another kind, or a shorter text.' : 'Nothing to do here.'}
        </Empty>
      ) : (
        <TroubleList troubles={troubles.rows} at={at} />
      )}
      <Pages troubles={troubles} route={route} />
    </section>
  );
}

function Pages({ troubles, route }: { readonly troubles: GroupView['troubles']; readonly route: GroupRoute }) {
  const { offset, limit, total, rows } = troubles;
  if (total <= limit) return null;
  const at = (to: number): string => hrefOf({ ...route, offset: to });
  return (
    <nav class="pages" aria-label="Pages of aggregates">
      {offset > 0 ? <a href={at(Math.max(0, offset - limit))}>← worse ones</a> : <span class="quiet">← worse ones</span>}
      <span>
        {countOf(offset + 1)} to {countOf(offset + rows.length)} of {countOf(total)}
      </span>
      {offset + limit < total ? <a href={at(offset + limit)}>next ones →</a> : <span class="quiet">next ones →</span>}
    </nav>
  );
}
