import type { GroupDetails, LiveGroup, LivePartition } from 'nestjs-aggregate-transport/operating';
import type { ChangeNow, Finding, GroupLine, PartitionLine, ProcessLine } from '../source/board-source.js';

/** Handlers that keep a change from its end: so many are named. */
const MAX_HOLDERS = 5;

/** A group in one line, from the server and from the processes that answered. Pure. */
export function groupLine(details: GroupDetails, live: LiveGroup | undefined): GroupLine {
  const { topic, group, condition, partitions, owned, owners, lag, oldestUnsettledMs, parked, letters } =
    details;
  const ages = details.byPartition.flatMap(({ lease, leaseAgeMs }) =>
    lease === 'held' ? (leaseAgeMs ?? []) : [],
  );
  const answered = live?.replicas.filter(({ state }) => state === 'answered').length ?? 0;
  const isKnown = answered > 0 && live !== undefined;
  return {
    ...{ topic, group, condition, partitions, owned, owners, lag, parked, letters, answered },
    change: changeOf(details),
    leaseAgeMs: ages.length === 0 ? undefined : Math.max(...ages),
    oldestMs: oldestUnsettledMs,
    ...(isKnown ? speedOf(live.partitions) : UNKNOWN_SPEED),
    isBreakerOpen: isKnown ? live.breakers.length > 0 : undefined,
  };
}

type Speed = Pick<GroupLine, 'perSecond' | 'p50Ms' | 'p99Ms'>;
const UNKNOWN_SPEED: Speed = { perSecond: undefined, p50Ms: undefined, p99Ms: undefined };

/** Rates add up; of times the worst partition is told, as samples of several cannot be joined. */
function speedOf(partitions: readonly LivePartition[]): Speed {
  const rates = partitions.flatMap(({ eventsPerSecond }) => eventsPerSecond ?? []);
  const times = partitions.flatMap(({ handlerMs }) => handlerMs ?? []);
  const most = (values: readonly number[]): number | undefined =>
    values.length === 0 ? undefined : Math.max(...values);
  return {
    perSecond: rates.length === 0 ? undefined : rates.reduce((sum, rate) => sum + rate, 0),
    p50Ms: most(times.map(({ p50 }) => p50)),
    p99Ms: most(times.map(({ p99 }) => p99)),
  };
}

function changeOf({ change, byPartition }: GroupDetails): ChangeNow | undefined {
  if (change === undefined) return undefined;
  const holders = byPartition.flatMap(({ partition, running }) =>
    running.map(
      ({ aggregateId, sequence, forMs }) =>
        `partition ${partition}: event #${sequence} of aggregate "${aggregateId}", for ${Math.round(forMs / 1_000)} s`,
    ),
  );
  return {
    kind: change.kind,
    to: change.to,
    drained: byPartition.filter(({ drained }) => drained).length,
    of: byPartition.length,
    holders: holders.slice(0, MAX_HOLDERS),
  };
}

/** Pure. */
export function partitionLines(details: GroupDetails, live: LiveGroup | undefined): PartitionLine[] {
  const answers = new Map(live?.partitions.map((one) => [one.partition, one]));
  return details.byPartition.map((one) => {
    const answer = answers.get(one.partition);
    return {
      ...{
        partition: one.partition,
        owner: one.owner,
        lease: one.lease,
        leaseAgeMs: one.leaseAgeMs,
        epoch: one.epoch,
      },
      ...{ position: one.position, lag: one.lag, unsettled: one.unsettled, oldestMs: one.oldestUnsettledMs },
      ...{ parked: one.parked, letters: one.letters },
      inFlight: answer?.running,
      lanes: answer?.aggregates,
      mode: answer && modeOf(answer),
    };
  });
}

function modeOf({ mode, pause }: LivePartition): string {
  return pause === undefined ? mode : `${pause.kind}: ${pause.why}`;
}

/** Pure. */
export function processLines(live: LiveGroup | undefined): ProcessLine[] {
  return (live?.replicas ?? []).map(({ replica, state }): ProcessLine => {
    const own = live?.partitions.filter((one) => one.replica === replica) ?? [];
    const isSilent = state === 'silent';
    const known = isSilent
      ? { partitions: undefined, inFlight: undefined, isBreakerOpen: undefined, ...UNKNOWN_SPEED }
      : {
          partitions: own.length,
          inFlight: own.reduce((sum, { running }) => sum + running, 0),
          isBreakerOpen: live?.breakers.some((one) => one.replica === replica) === true,
          ...speedOf(own),
        };
    return { owner: replica, isSilent, ...known };
  });
}

/** What health finds in any process: what several say is told once, from the one that knew first. Pure. */
export function findingsOf(live: LiveGroup | undefined, now: number): Finding[] {
  const found = new Map<string, Finding>();
  for (const { code, partition, since, why, do: todo } of live?.problems ?? []) {
    const forMs = Math.max(0, now - since);
    const key = `${code} ${partition ?? ''} ${why}`;
    if ((found.get(key)?.forMs ?? -1) >= forMs) continue;
    found.set(key, { topic: live?.topic, group: live?.group, partition, code, why, do: todo, forMs });
  }
  return [...found.values()];
}
