import type { PartitionLine, ProcessLine } from '../../src/source/board-source.js';
import { Breaker, Times } from './group-table.js';
import { Table } from './table.js';
import { Count, Foreign, Owner, Rate, Span, Unknown } from './words.js';

export function PartitionTable({ partitions }: { readonly partitions: readonly PartitionLine[] }) {
  return (
    <Table
      heads={['Partition', 'Owner', 'Lease', 'State', 'Lag', 'Oldest', 'Running', 'Aggregates', 'Parked']}
    >
      {partitions.map((one) => (
        <Partition key={one.partition} line={one} />
      ))}
    </Table>
  );
}

function Partition({ line }: { readonly line: PartitionLine }) {
  const { partition, owner, lease, leaseAgeMs, mode, parked } = line;
  return (
    <tr>
      <th scope="row">
        <span class="card-only">Partition </span>
        {partition}
      </th>
      <td data-name="Owner" class={lease === 'held' ? '' : 'warn'}>
        <Owner owner={owner} />
      </td>
      <td data-name="Lease" class={lease === 'held' ? '' : 'warn'}>
        {lease}
        {leaseAgeMs === undefined ? null : (
          <>
            , <Span ms={leaseAgeMs} />
          </>
        )}
      </td>
      <td data-name="State" class={mode === undefined || mode === 'running' ? '' : 'warn'}>
        {mode === undefined ? <Unknown why="Its owner did not answer" /> : <Foreign text={mode} />}
      </td>
      <td data-name="Lag">
        <Count value={line.lag} />
      </td>
      <td data-name="Oldest">
        <Span ms={line.oldestMs} none="none" />
      </td>
      <td data-name="Running">
        <Count value={line.inFlight} />
      </td>
      <td data-name="Aggregates">
        <Count value={line.lanes} />
      </td>
      <td data-name="Parked" class={parked > 0 ? 'warn' : ''}>
        <Count value={parked} />
      </td>
    </tr>
  );
}

export function ProcessTable({ processes }: { readonly processes: readonly ProcessLine[] }) {
  return (
    <Table heads={['Process', 'Answer', 'Partitions', 'Running', 'Rate', 'p50 / p99', 'Breaker']}>
      {processes.map((one) => (
        <tr key={one.owner}>
          <th scope="row">
            <Owner owner={one.owner} />
          </th>
          <td data-name="Answer" class={one.isSilent ? 'warn' : ''}>
            {one.isSilent ? 'silent' : 'answered'}
          </td>
          <td data-name="Partitions">
            <Count value={one.partitions} />
          </td>
          <td data-name="Running">
            <Count value={one.inFlight} />
          </td>
          <td data-name="Rate">
            <Rate value={one.perSecond} />
          </td>
          <td data-name="p50 / p99">
            <Times line={one} />
          </td>
          <td data-name="Breaker" class={one.isBreakerOpen === true ? 'bad' : ''}>
            <Breaker isOpen={one.isBreakerOpen} />
          </td>
        </tr>
      ))}
    </Table>
  );
}
