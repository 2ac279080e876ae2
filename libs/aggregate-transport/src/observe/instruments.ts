import type { PartitionCounts, PartitionLoad } from '../consumer/partition-status.js';

/** A counter that exists already and is only read. */
export interface CountedInstrument {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly of: (counts: PartitionCounts) => number;
}

const OWN = 'aggregate_transport';

/** Per topic, group and partition, since the start of the process. */
export const COUNTERS: readonly CountedInstrument[] = [
  counter('attempts.retried', '{attempt}', 'Failed attempts that are repeated in place.', (c) => c.retried),
  counter('attempts.blocked', '{attempt}', 'Failed attempts of aggregates tried for ever.', (c) => c.blocked),
  counter('events.ignored', '{event}', 'Events whose type has no handler, passed over.', (c) => c.ignored),
  counter('events.skipped', '{event}', 'Events whose aggregates continued without them.', (c) => c.skipped),
  counter(
    'events.crashed',
    '{event}',
    'Events not started any more: each start ended a process.',
    (c) => c.crashed,
  ),
  counter(
    'events.lost',
    '{event}',
    'Sequences the stream dropped before they were read, at most.',
    (c) => c.lost,
  ),
  counter('aggregates.parked', '{aggregate}', 'Aggregates parked.', (c) => c.parked),
  counter('aggregates.unparked', '{aggregate}', 'Aggregates that are live again.', (c) => c.unparked),
  counter('letters.stored', '{letter}', 'Events that became letters.', (c) => c.parked + c.filed + c.skipped),
  counter('letters.replayed', '{letter}', 'Letters handled.', (c) => c.replayed),
  counter('letters.failed', '{attempt}', 'Attempts at letters that failed.', (c) => c.replaysFailed),
  counter('claims', '{claim}', 'Positions claimed.', (c) => c.claims),
  counter('readers', '{reader}', 'Readers made on the server.', (c) => c.readers),
  counter('leases', '{lease}', 'Leases taken, each with an epoch of its own.', (c) => c.leases),
  counter('leases.lost', '{lease}', 'Leases lost rather than released.', (c) => c.leasesLost),
];

export interface LoadInstrument {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly of: (load: PartitionLoad) => number;
}

/** Per topic, group and partition, of the partitions this process owns. */
export const GAUGES: readonly LoadInstrument[] = [
  gauge('handlers.running', '{handler}', 'Handlers that run.', (load) => load.inFlight),
  gauge('lanes', '{aggregate}', 'Aggregates with events in this process.', (load) => load.lanes),
  gauge('buffered.events', '{event}', 'Events in lanes.', (load) => load.events),
  gauge('buffered.size', 'By', 'Bytes of their bodies.', (load) => load.bytes),
  gauge('aggregates.parked.current', '{aggregate}', 'Aggregates that are parked now.', (load) => load.parked),
];

/** What the server tells, of the partitions this process owns. */
export const LAG = {
  name: `${OWN}.lag`,
  unit: '{event}',
  description: 'Events stored and not settled by the group.',
};
export const OLDEST = {
  name: `${OWN}.oldest_unsettled.age`,
  unit: 's',
  description: 'Since the oldest of them was stored; 0 without one.',
};

export const BREAKER = {
  name: `${OWN}.breaker.open`,
  unit: '1',
  description: '1 while most attempts fail and nothing is parked.',
};

export const PROBLEMS = {
  name: `${OWN}.problems`,
  unit: '{problem}',
  description: 'What health names, by code; 0 once it is over.',
};

export const CONSUMED = {
  name: 'messaging.client.consumed.messages',
  unit: '{message}',
  description: 'Attempts that ended; with error.type, the stage they failed in.',
};
export const SENT = {
  name: 'messaging.client.sent.messages',
  unit: '{message}',
  description: 'Events stored.',
};
export const PUBLISH_FAILED = {
  name: `${OWN}.publisher.failed`,
  unit: '{event}',
  description: 'Publish calls that ended with an error, never sent ones included.',
};
export const PENDING = {
  name: `${OWN}.publisher.pending`,
  unit: '{event}',
  description: 'Events without an outcome.',
};
export const UNKNOWN = {
  name: `${OWN}.publisher.unknown`,
  unit: '{aggregate}',
  description: 'Aggregates that accept nothing because an outcome is unknown.',
};

function counter(
  name: string,
  unit: string,
  description: string,
  of: (counts: PartitionCounts) => number,
): CountedInstrument {
  return { name: `${OWN}.${name}`, unit, description, of };
}

function gauge(
  name: string,
  unit: string,
  description: string,
  of: (load: PartitionLoad) => number,
): LoadInstrument {
  return { name: `${OWN}.${name}`, unit, description, of };
}
