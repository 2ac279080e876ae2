import type { PartitionLine, ProcessLine } from '../../src/source/board-source.js';
import { Breaker, Times } from './group-table.js';
import { Count, Foreign, Owner, Rate, Span, Unknown } from './words.js';

export function PartitionTable({ partitions }: { readonly partitions: readonly PartitionLine[] }) {
  return (
    <div class="table">
      <table>
        <thead>
          <tr>
            <th scope="col">Partition</th>
            <th scope="col">Owner</th>
            <th scope="col">Lease</th>
            <th scope="col">State</th>
            <th scope="col">Lag</th>
            <th scope="col">Oldest</th>
            <th scope="col">Running</th>
            <th scope="col">Aggregates</th>
            <th scope="col">Parked</th>
          </tr>
        </thead>
        <tbody>
          {partitions.map((one) => (
            <Partition key={one.partition} line={one} />
          ))}
        </tbody>
      </table>
    </div>
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
    <div class="table">
      <table>
        <thead>
          <tr>
            <th scope="col">Process</th>
            <th scope="col">Answer</th>
            <th scope="col">Partitions</th>
            <th scope="col">Running</th>
            <th scope="col">Rate</th>
            <th scope="col">p50 / p99</th>
            <th scope="col">Breaker</th>
          </tr>
        </thead>
        <tbody>
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
        </tbody>
      </table>
    </div>
  );
}
