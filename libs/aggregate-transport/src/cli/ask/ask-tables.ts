import type { LiveAggregate, LivePartition } from '../../operations/live.js';
import { ageOf } from '../command/table.js';

export const PARTITION_HEADINGS = [
  ...['PARTITION', 'REPLICA', 'EPOCH', 'MODE', 'RUNNING', 'WAITING', 'PARKED'],
  ...['EVENTS/S', 'P50 MS', 'P99 MS', 'PAUSE'],
];

/** Pure. */
export function partitionRow(partition: LivePartition): string[] {
  const { replica, epoch, mode, running, waiting, parked, eventsPerSecond, handlerMs, pause } = partition;
  return [
    String(partition.partition),
    // Ids begin with a time; their ends differ.
    `…${replica.slice(-12)}`,
    String(epoch),
    mode,
    ...[running, waiting, parked].map(String),
    shown(eventsPerSecond),
    shown(handlerMs?.p50),
    shown(handlerMs?.p99),
    pause === undefined ? '' : `${pause.kind}: ${pause.why}`,
  ];
}

export const AGGREGATE_HEADINGS = [
  ...['AGGREGATE', 'STATE', 'PARTITION', 'SEQUENCE', 'TYPE', 'ATTEMPT', 'SINCE', 'NEXT', 'QUEUED', 'ERROR'],
];

/** `now` is in milliseconds since 1970. Pure. */
export function aggregateRow(aggregate: LiveAggregate, now: number): string[] {
  const { aggregateId, state, partition, sequence, type, attempt, since, nextAt, queued, error } = aggregate;
  return [
    aggregateId,
    state,
    String(partition),
    String(sequence ?? '-'),
    type ?? '-',
    String(attempt),
    since === undefined ? '-' : ageOf(since, now),
    nextAt === undefined ? '-' : `in ${ageOf(now, nextAt)}`,
    String(queued),
    error === undefined ? '' : `${error.code ?? error.name}: ${error.text}`,
  ];
}

function shown(value: number | undefined): string {
  if (value === undefined) return '-';
  return value >= 100 ? String(Math.round(value)) : value.toFixed(1);
}
