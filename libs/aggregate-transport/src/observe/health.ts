import type { Finding, HealthProblem } from './health-problem.js';
import type { Observed, ObservedGroup, ObservedPartition, ObservedTopic } from './observed.js';
import { type AttemptShare, LEAST_AGGREGATES } from '../consumer/recent-attempts.js';
import { FAILS_FOR_MS, partitionFindings } from './partition-findings.js';

/** What is judged. */
export type HealthView = Omit<Observed, 'problems'>;

/** Lost events do not come back, so the report of a loss has to end by itself. */
const LOSS_SHOWN_FOR_MS = 3_600_000;

/**
 * Judges how the transport of a process stands, from its memory alone. It sends nothing, so it may be called often.
 * One per process: it remembers since when a problem is known.
 */
export class Health {
  /** By partition of a layout: how many were lost when a loss was last new, and when that was. */
  readonly #losses = new Map<string, { lost: number; since: number }>();
  /** Since when each problem is known, in milliseconds since 1970. */
  #since = new Map<string, number>();

  constructor(private readonly observed: HealthView) {}

  problems(): HealthProblem[] {
    const now = this.observed.clock.wallNow();
    const since = new Map<string, number>();
    const problems = this.#findings().map(({ forMs, ...finding }): HealthProblem => {
      const key = keyOf(finding);
      const first = this.#since.get(key) ?? Math.round(now - (forMs ?? 0));
      since.set(key, first);
      return { ...finding, since: first };
    });
    this.#since = since;
    return problems;
  }

  #findings(): Finding[] {
    const { observed } = this;
    return [
      ...listeningFindings(observed),
      ...observed
        .topics()
        .flatMap((topic) => [
          ...connectionFindings(topic),
          ...publisherFindings(topic),
          ...topic.groups.flatMap((group) => [
            ...groupFindings(group),
            ...group.partitions.flatMap((partition) => [
              ...partitionFindings(group, partition),
              ...this.#lossFindings(group, partition),
              ...this.#retentionFindings(group, partition),
            ]),
          ]),
          ...settingsFindings(topic),
        ]),
    ];
  }

  #retentionFindings(group: ObservedGroup, { partition, lease }: ObservedPartition): Finding[] {
    const why = lease.mode === 'held' ? this.observed.looks.nearRetention(group, partition) : undefined;
    if (why === undefined) return [];
    return [
      {
        ...{ topic: group.topic, group: group.group, partition },
        code: 'retention-near',
        why: `the stream will soon drop the oldest event that is not settled: ${why}`,
        do: 'enlarge the stream (nats stream edit), and find what holds the group up: a slow handler, too few replicas, a blocked aggregate',
      },
    ];
  }

  #lossFindings(
    { topic, group, layout }: ObservedGroup,
    { partition, counts }: ObservedPartition,
  ): Finding[] {
    const { lost } = counts;
    if (lost === 0) return [];
    // The partitions of another layout count from 0 again.
    const key = `${topic} ${group} ${layout} ${partition}`;
    const now = this.observed.clock.now();
    const known = this.#losses.get(key);
    const loss = known?.lost === lost ? known : { lost, since: now };
    this.#losses.set(key, loss);
    if (now - loss.since >= LOSS_SHOWN_FOR_MS) return [];
    return [
      {
        ...{ topic, group, partition },
        code: 'events-lost',
        why: `up to ${lost} events left the stream before they were delivered`,
        do: 'make the stream larger, the group faster, or set stream.discard to "new"',
      },
    ];
  }
}

function keyOf({ code, topic, group, partition }: Finding): string {
  return [code, topic, group, partition].join(' ');
}

function listeningFindings(observed: HealthView): Finding[] {
  const found: Finding[] = [];
  if (observed.hasHandlers && !observed.isListening) {
    found.push({
      code: 'not-listening',
      why: 'the server of the handlers does not listen (yet, or any more), so they get no event',
      do: 'call app.connectMicroservice({ strategy: app.get(AggregateServer) }) and app.startAllMicroservices()',
    });
  }
  for (const topic of observed.closedTopics()) {
    const why = 'the topic is not open (yet, or any more)';
    found.push({ code: 'disconnected', topic, why, do: 'look in the log for why it was not opened' });
  }
  return found;
}

function connectionFindings(of: ObservedTopic): Finding[] {
  const { name: topic, connected, closed, closedWhy, jetStreamAway } = of;
  if (closed) {
    const reason = closedWhy === undefined ? '' : ` (${closedWhy})`;
    const why = `the NATS client has given its connection up${reason}; only a restart makes another`;
    const todo =
      'correct what the reason names (credentials, a permission, an address), then restart the process';
    return [{ code: 'connection-closed', topic, why, do: todo }];
  }
  if (!connected) {
    const why = 'there is no connection to NATS; the client reconnects by itself';
    return [{ code: 'disconnected', topic, why, do: 'see that the server runs and can be reached' }];
  }
  if (jetStreamAway === undefined) return [];
  return [
    {
      ...{ code: 'jetstream-away', topic, forMs: jetStreamAway.forMs },
      why:
        `the connection is up, and JetStream has answered nothing for ${Math.round(jetStreamAway.forMs)} ms ` +
        `(${jetStreamAway.why}), so nothing is stored or handled`,
      do: "see that JetStream is on for the user's account, has a leader, and can write to its disk",
    },
  ];
}

function settingsFindings({ name: topic, settings }: ObservedTopic): Finding[] {
  return settings.current().map(({ stream, what, todo }) => ({
    ...{ code: 'settings-changed', topic },
    why:
      todo === undefined
        ? `stream "${stream}" was edited so that it breaks a promise: ${what}`
        : `stream "${stream}" is missing: ${what}`,
    do: todo ?? 'undo the edit',
  }));
}

/** What is published waits while there is no connection, and that is said already. */
function publisherFindings({ name: topic, connected, publisher }: ObservedTopic): Finding[] {
  const trouble = connected ? publisher.trouble(FAILS_FOR_MS) : undefined;
  if (trouble === undefined) return [];
  return [
    {
      ...{ code: 'not-publishing', topic, forMs: trouble.forMs, why: trouble.why },
      do: 'do what the reason says: room in the stream, a permission, a leader; after an unknown outcome look whether the event is stored, then call resume()',
    },
  ];
}

function groupFindings({ topic, group, partitions }: ObservedGroup): Finding[] {
  const { breaker, attempts } = partitions[0]?.consumer.load ?? {};
  const found: Finding[] = [];
  const waiting = partitions.reduce((sum, { consumer }) => sum + consumer.load.lanes, 0);
  const stillFail = attempts?.stillFail === true && waiting >= LEAST_AGGREGATES;
  if (attempts?.nearlyAllFail === true || stillFail) {
    found.push({
      ...{ code: 'attempts-fail', topic, group },
      why: describeAttempts(attempts),
      do: 'look for what all handlers need (a database, a credential), or roll the last deploy back',
    });
  }
  if (breaker?.isOpen === true) {
    found.push({
      ...{ code: 'breaker-open', topic, group },
      why: 'most attempts fail, so nothing is parked and one aggregate is tried at a time',
      do: 'look for what all handlers need, or roll the last deploy back; it closes by itself',
    });
  }
  return found;
}

/** While waits grow, or the breaker is open, few attempts are made or none: their share at this moment says little. */
function describeAttempts({ nearlyAllFail, total, failed, withinMs }: AttemptShare): string {
  if (nearlyAllFail)
    return `of the last ${total} attempts within ${withinMs} ms ${failed} failed, of several aggregates`;
  const lately = total === 0 ? 'none was made' : `${failed} of ${total} failed`;
  return `nearly all attempts failed, of several aggregates, and none has succeeded since; within the last ${withinMs} ms ${lately}`;
}
