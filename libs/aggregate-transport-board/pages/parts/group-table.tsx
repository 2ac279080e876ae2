import type { GroupLine } from '../../src/source/board-source.js';
import { groupHref } from '../route.js';
import { Table } from './table.js';
import { Count, Foreign, Rate, Span, Unknown } from './words.js';

/** All groups, one a line. */
export function GroupTable({ groups }: { readonly groups: readonly GroupLine[] }) {
  return (
    <Table heads={['Group', 'Owned', 'Lease', 'Lag', 'Oldest', 'Rate', 'p50 / p99', 'Parked', 'Breaker']}>
      {groups.map((group) => (
        <Row key={`${group.topic} ${group.group}`} group={group} />
      ))}
    </Table>
  );
}

function Row({ group }: { readonly group: GroupLine }) {
  const { partitions, owned, parked, condition, isBreakerOpen } = group;
  return (
    <tr>
      <th scope="row">
        <a class="row-link" href={groupHref(group)}>
          <Foreign text={group.group} />
        </a>
        <span class="quiet on">
          {' '}
          on <Foreign text={group.topic} />
        </span>
        {condition === 'living' ? null : <span class="condition">{condition}</span>}
      </th>
      <td data-name="Owned" class={owned < partitions && condition !== 'deleted' ? 'warn' : ''}>
        {owned} of {partitions}
      </td>
      <td data-name="Lease">
        <Span ms={group.leaseAgeMs} none="none" />
      </td>
      <td data-name="Lag">
        <Count value={group.lag} />
      </td>
      <td data-name="Oldest">
        <Span ms={group.oldestMs} none="none" />
      </td>
      <td data-name="Rate">
        <Rate value={group.perSecond} />
      </td>
      <td data-name="p50 / p99">
        <Times line={group} />
      </td>
      <td data-name="Parked" class={parked > 0 ? 'warn' : ''}>
        <Count value={parked} />
      </td>
      <td data-name="Breaker" class={isBreakerOpen === true ? 'bad' : ''}>
        <Breaker isOpen={isBreakerOpen} />
      </td>
    </tr>
  );
}

export function Breaker({ isOpen }: { readonly isOpen: boolean | undefined }) {
  if (isOpen === undefined) return <Unknown />;
  return <span>{isOpen ? 'open' : 'closed'}</span>;
}

export function Times({ line }: { readonly line: Pick<GroupLine, 'p50Ms' | 'p99Ms' | 'isBreakerOpen'> }) {
  const { p50Ms, p99Ms, isBreakerOpen } = line;
  if (p50Ms === undefined || p99Ms === undefined)
    return isBreakerOpen === undefined ? <Unknown /> : <span class="quiet">no attempt</span>;
  return (
    <span>
      <Span ms={p50Ms} /> / <Span ms={p99Ms} />
    </span>
  );
}
