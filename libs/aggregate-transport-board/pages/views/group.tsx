import type { ChangeNow, GroupView } from '../../src/source/board-source.js';
import { counted } from '../format.js';
import { type Asked, useConfirm } from '../parts/confirm.js';
import { Findings } from '../parts/findings.js';
import { GroupActions } from '../parts/group-actions.js';
import { Breaker, Times } from '../parts/group-table.js';
import { PartitionTable, ProcessTable } from '../parts/partition-table.js';
import { GroupTroubles } from '../parts/group-troubles.js';
import { Count, Empty, Foreign, Notes, Rate, Span } from '../parts/words.js';
import type { Route } from '../route.js';
import { SETTINGS } from '../settings.js';

type GroupRoute = Extract<Route, { readonly page: 'group' }>;

/** One group: how it stands, what is wrong in it, its partitions and processes, and what can be changed. */
export function GroupPage({
  view,
  route,
  isAnswer,
}: {
  readonly view: GroupView;
  readonly route: GroupRoute;
  readonly isAnswer: boolean;
}) {
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
          No process of this group answered. What stands here is what the server knows; rates, attempts and
          stuck aggregates are unknown. Start a process, or see that it may answer: docs/board.md names the
          permission.
        </p>
      ) : null}
      {group.change === undefined ? null : <Change change={group.change} view={view} ask={ask} />}
      <GroupTroubles view={view} route={route} ask={ask} isAnswer={isAnswer} />
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
        {CHANGE_WORDS[change.kind]} under way
        {change.kind === 'repartition' ? ` to ${counted(change.to, 'partition')}` : ''}
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
