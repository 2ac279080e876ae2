import type { AggregatePorts } from '../../operating/aggregates/aggregate-ports.js';
import type { TopicGroups } from '../../operating/groups/group-ports.js';
import type { StatusPorts } from '../../operating/groups/status-rows.js';
import type { StreamStand, TopicPorts } from '../../operating/server/server-ports.js';
import { partitionOf } from '../../message/partitioning.js';
import type { ParkedArchive } from '../../parking/parked-port.js';
import type { KnownGroup } from '../../records/group-on-server.js';
import type { PresencePort } from '../../records/member-record.js';
import type { MemoryAsk } from './memory-ask.js';

/** What a topic in memory has for operators. */
export interface OperatedParts {
  readonly topic: string;
  readonly groups: TopicGroups;
  readonly aggregates: AggregatePorts;
  readonly parked: (group: string) => ParkedArchive;
  readonly sessions: (group: string) => PresencePort;
  readonly asked: (group: string) => MemoryAsk;
  readonly stand: () => StreamStand;
}

/** A topic's ways in memory to all that tools of operators ask of it. Nothing of it can be missing. */
export function operatedInMemory(parts: OperatedParts): TopicPorts {
  const { topic, groups, aggregates, parked, sessions, asked, stand } = parts;
  return {
    ...{ topic, groups, aggregates, parked, sessions },
    ask: (group) => asked(group).connect(),
    stand: () => Promise.resolve(stand()),
    lastSequenceOf: async (token) => {
      let last: number | undefined;
      for await (const { sequence } of aggregates.history(token, 1)) last = sequence;
      return last;
    },
    status: statusOf(parts),
  };
}

function statusOf({ topic, groups, aggregates, parked }: OperatedParts): StatusPorts {
  const names = { positions: `${topic}_positions`, leases: 'aggregate-transport' };
  return {
    known: async (group) => {
      const started = await aggregates.groups();
      const known = started.map((one): KnownGroup => ({ ...one, topic, hasRecord: true }));
      return group === undefined ? known : known.filter((one) => one.group === group);
    },
    missing: () => Promise.resolve({ stream: false, positions: false, leases: false, names }),
    look: (question) => groups.lookAt(question),
    parkedCounts: async ({ group, partitions }) => {
      const counts = Array.from({ length: partitions }, () => ({ aggregates: 0, letters: 0 }));
      const archive = parked(group);
      const letters = await archive.letterCounts();
      for (const token of await archive.markedTokens()) {
        const count = counts[partitionOf(token, partitions)];
        if (count === undefined) continue;
        count.aggregates++;
        count.letters += letters.get(token) ?? 0;
      }
      return counts;
    },
  };
}
