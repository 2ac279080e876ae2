import type { Observed, ObservedGroup, ObservedPartition, ObservedTopic } from './observed.js';

/** What can be wrong; docs/operations.md says what each means and what to do. */
export type HealthProblemCode =
  | 'not-listening'
  | 'disconnected'
  | 'connection-closed'
  | 'not-committing'
  | 'not-reading'
  | 'halted'
  | 'breaker-open'
  | 'guard-refuses'
  | 'blocked'
  | 'stuck'
  | 'letters-refused'
  | 'events-lost';

export interface HealthProblem {
  readonly code: HealthProblemCode;
  /** Where, and what to do. Names an aggregate at most; no payload. */
  readonly text: string;
}

/**
 * Not ready: no event would be handled here, or nearly none; a rollout should stop. What one aggregate or one
 * partition has done to itself is not among them: other work of this process continues.
 */
const FAILS_READINESS: ReadonlySet<HealthProblemCode> = new Set([
  'not-listening',
  'disconnected',
  'connection-closed',
  'breaker-open',
]);

/** Not alive: only what a restart fixes. */
const FAILS_LIVENESS: ReadonlySet<HealthProblemCode> = new Set(['connection-closed']);

export function failsReadiness({ code }: HealthProblem): boolean {
  return FAILS_READINESS.has(code);
}

export function failsLiveness({ code }: HealthProblem): boolean {
  return FAILS_LIVENESS.has(code);
}

/** A failover of the server takes less. */
const FAILS_FOR_MS = 5_000;
/** Lost events do not come back, so the report of a loss has to end by itself. */
const LOSS_SHOWN_FOR_MS = 3_600_000;

/** Judges how the transport of a process stands, from its memory alone. It sends nothing, so it may be called often. */
export class Health {
  /** By partition: how many were lost when a loss was last new, and when that was. */
  readonly #losses = new Map<string, { lost: number; since: number }>();

  constructor(private readonly observed: Observed) {}

  problems(): HealthProblem[] {
    const { observed } = this;
    const topics = observed.topics();
    return [
      ...listeningProblems(observed),
      ...topics.flatMap((topic) => [
        ...connectionProblems(topic),
        ...topic.groups.flatMap((group) => [
          ...breakerProblems(group),
          ...group.partitions.flatMap((partition) => [
            ...partitionProblems(group, partition),
            ...this.#lossProblems(group, partition),
          ]),
        ]),
      ]),
    ];
  }

  #lossProblems(group: ObservedGroup, partition: ObservedPartition): HealthProblem[] {
    const { lost } = partition.counts;
    if (lost === 0) return [];
    const where = placeOf(group, partition);
    const now = this.observed.clock.now();
    const known = this.#losses.get(where);
    const loss = known?.lost === lost ? known : { lost, since: now };
    this.#losses.set(where, loss);
    if (now - loss.since >= LOSS_SHOWN_FOR_MS) return [];
    return [
      {
        code: 'events-lost',
        text:
          `${where}: up to ${lost} events left the stream before they were delivered; make the stream larger, ` +
          'the group faster, or set stream.discard to "new"',
      },
    ];
  }
}

function listeningProblems(observed: Observed): HealthProblem[] {
  const found: HealthProblem[] = [];
  if (observed.hasHandlers && !observed.isListening) {
    const text =
      'expected the server of the handlers to listen, found that it does not (yet, or any more); ' +
      'call app.connectMicroservice({ strategy: app.get(AggregateServer) }) and app.startAllMicroservices()';
    found.push({ code: 'not-listening', text });
  }
  for (const topic of observed.closedTopics())
    found.push({ code: 'disconnected', text: `topic "${topic}" is not open (yet, or any more)` });
  return found;
}

function connectionProblems({ name, connected, closed }: ObservedTopic): HealthProblem[] {
  if (closed) {
    const text = `topic "${name}": the NATS client has given its connection up; only a restart makes another`;
    return [{ code: 'connection-closed', text }];
  }
  if (connected) return [];
  return [{ code: 'disconnected', text: `topic "${name}": no connection to NATS, reconnecting` }];
}

function breakerProblems(group: ObservedGroup): HealthProblem[] {
  if (group.partitions[0]?.consumer.load.breaker.isOpen !== true) return [];
  const text =
    `topic "${group.topic}", group "${group.group}": most attempts fail, so nothing is parked and one aggregate is tried ` +
    'at a time; look for what all handlers need';
  return [{ code: 'breaker-open', text }];
}

function partitionProblems(group: ObservedGroup, partition: ObservedPartition): HealthProblem[] {
  const { load } = partition.consumer;
  const where = placeOf(group, partition);
  const found: HealthProblem[] = [];
  if (load.mode === 'halted')
    found.push({ code: 'halted', text: `${where} halts: ${load.haltReason ?? ''}` });
  if (load.notCommittingMs > FAILS_FOR_MS) {
    const text =
      `${where}: its position could not be committed for ${Math.round(load.notCommittingMs)} ms, so its events would be ` +
      'repeated after a crash, and soon no more are taken in; see the log for what the server answers';
    found.push({ code: 'not-committing', text });
  }
  if (load.notReadingMs > FAILS_FOR_MS) {
    const text =
      `${where}: no reader has answered for ${Math.round(load.notReadingMs)} ms, so no event comes in; see the log for what ` +
      'the server answers';
    found.push({ code: 'not-reading', text });
  }
  if (load.letterRefusal !== undefined) {
    found.push({
      code: 'letters-refused',
      text: `${where}: events cannot become letters: ${load.letterRefusal}`,
    });
  }
  if (load.lanes > 0) found.push(...laneProblems(where, partition));
  return found;
}

function laneProblems(where: string, { consumer }: ObservedPartition): HealthProblem[] {
  const { blocked, refusedByGuard, stuck, slowest } = consumer.report(1);
  const worst = slowest[0];
  const example =
    worst === undefined ? '' : ` (the worst: aggregate "${worst.aggregateId}", sequence ${worst.sequence})`;
  const found: HealthProblem[] = [];
  if (refusedByGuard > 0) {
    const text =
      `${where}: a guard refuses ${refusedByGuard} aggregates${example}; they continue when it lets them pass. ` +
      "A guard meant for HTTP only must let context.getType() === 'rpc' pass";
    found.push({ code: 'guard-refuses', text });
  }
  if (blocked > refusedByGuard) {
    const text = `${where}: ${blocked - refusedByGuard} aggregates are blocked and tried for ever${example}; fix the cause`;
    found.push({ code: 'blocked', text });
  }
  if (stuck > 0) {
    const text = `${where}: ${stuck} handlers have not settled for twice their time${example}; find what they wait for`;
    found.push({ code: 'stuck', text });
  }
  return found;
}

function placeOf({ topic, group }: ObservedGroup, { partition }: ObservedPartition): string {
  return `topic "${topic}", group "${group}", partition ${partition}`;
}
