import type { Overview } from '../../src/source/board-source.js';
import { verdictOf } from '../advice.js';
import { counted, countOf, visible } from '../format.js';
import { Findings } from '../parts/findings.js';
import { GroupTable } from '../parts/group-table.js';
import { TroubleList } from '../parts/trouble-list.js';
import { Foreign, Notes } from '../parts/words.js';
import { aggregateHref, groupHref } from '../route.js';

/** The first page: what is stuck, then what health says, then every group. */
export function OverviewPage({ view }: { readonly view: Overview }) {
  const { groups, troubles, troubleCount, findings, notes, at } = view;
  const verdict = verdictOf(view);
  const silent = groups.filter(({ answered, condition }) => answered === 0 && condition !== 'deleted');
  return (
    <>
      <section class={`verdict verdict-${verdict.tone}`}>
        <h1>{verdict.title}</h1>
        <p>
          {verdict.worst === undefined ? null : (
            <a href={aggregateHref(verdict.worst.topic, verdict.worst.aggregateId)}>
              <Foreign text={shortened(verdict.worst.aggregateId)} />
            </a>
          )}
          {visible(verdict.text)}
        </p>
      </section>
      <Notes notes={notes} />
      {troubles.length === 0 ? null : (
        <section aria-labelledby="troubles">
          <h2 id="troubles">What needs you</h2>
          <TroubleList troubles={troubles} at={at} />
          {troubleCount > troubles.length ? <More view={view} /> : null}
        </section>
      )}
      <Findings findings={findings} />
      {groups.length === 0 ? null : (
        <section aria-labelledby="groups">
          <h2 id="groups">Groups</h2>
          {silent.length === 0 ? null : (
            <p class="note">
              No process answered for {counted(silent.length, 'group')}:{' '}
              <Foreign text={silent.map(({ group }) => group).join(', ')} />. What only processes know is
              unknown there: rates, attempts, stuck aggregates.
            </p>
          )}
          <GroupTable groups={groups} />
        </section>
      )}
    </>
  );
}

/** The list below shows more of a long id, and its own page all. */
function shortened(id: string): string {
  return id.length > 60 ? `${id.slice(0, 60)}…` : id;
}

function More({ view: { groups, troubles, troubleCount } }: { readonly view: Overview }) {
  const parked = groups.filter((group) => group.parked > 0);
  return (
    <p class="more">
      {countOf(troubleCount - troubles.length)} more:{' '}
      {parked.map((group) => (
        <a key={`${group.topic} ${group.group}`} href={groupHref(group)}>
          all of {group.group}
        </a>
      ))}
    </p>
  );
}
