import type { Clock } from '../../clock.js';
import { subjectOf } from '../../message/subject.js';
import type {
  GroupOnServer,
  GroupQuestion,
  KnownGroup,
  MissingParts,
  ParkedCount,
} from '../../records/group-on-server.js';
import { findStream } from '../api/provision.js';
import { findMessage } from '../api/stored-message.js';
import { AggregateWire } from '../groups/aggregate-wire.js';
import { GroupLook } from '../groups/group-status.js';
import {
  groupsOnServer,
  parkedOnServer,
  topicStreams,
  topicsWithGroups,
  topicsWithLeases,
} from '../groups/known-groups.js';
import { LEASE_BUCKET, positionsStreamOf, streamOfBucket } from '../keys/key-places.js';
import type { KeyAccess } from '../keys/partition-key.js';
import { ParkedWire } from '../wires/parked-wire.js';
import { PresenceWire } from '../wires/presence-wire.js';
import { AskWire } from './ask-wire.js';
import { TopicGroupsWire } from './topic-groups.js';

/** See `StreamStand` of what an operator asks of a topic. */
interface Stand {
  readonly events: number;
  readonly bytes: number;
  readonly aggregates: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly lastStoredAt: number | undefined;
}

/** What status asks; see `StatusPorts`. */
interface Status {
  readonly known: (group: string | undefined) => Promise<readonly KnownGroup[]>;
  readonly missing: () => Promise<MissingParts>;
  readonly look: (question: GroupQuestion, missing: MissingParts) => Promise<GroupOnServer>;
  readonly parkedCounts: (known: KnownGroup) => Promise<readonly ParkedCount[]>;
}

const TIMEOUT_MS = 2_000;

/** A topic's ways over NATS to all that an operator asks of it. */
export class OperatedTopicWire {
  readonly groups: TopicGroupsWire;
  readonly aggregates: AggregateWire;
  readonly status: Status;

  constructor(
    private readonly access: KeyAccess,
    readonly topic: string,
    private readonly clock: Clock,
  ) {
    this.groups = new TopicGroupsWire(access, topic, clock);
    this.aggregates = new AggregateWire({ ...access, topic, clock });
    this.status = {
      known: (group) => groupsOnServer(access, { topic, group }),
      missing: () => this.#missing(),
      look: (question, missing) => new GroupLook({ ...access, topic, question, clock, missing }).read(),
      parkedCounts: (known) => parkedOnServer(access.api, known),
    };
  }

  parked(group: string): ParkedWire {
    return new ParkedWire({ ...this.access, clock: this.clock, topic: this.topic, group, bits: '' });
  }

  async stand(): Promise<Stand | undefined> {
    const info = await findStream(this.access.api, this.topic, TIMEOUT_MS);
    if (info === undefined) return undefined;
    const { messages, bytes, num_subjects, first_seq, last_seq, last_ts } = info.state;
    return {
      events: messages,
      bytes,
      aggregates: num_subjects ?? 0,
      firstSequence: first_seq,
      lastSequence: last_seq,
      lastStoredAt: last_seq === 0 || last_ts === undefined ? undefined : Date.parse(last_ts),
    };
  }

  async lastSequenceOf(token: string): Promise<number | undefined> {
    const question = { last_by_subj: subjectOf(this.topic, token) };
    return (await findMessage(this.access.api, this.topic, question, TIMEOUT_MS))?.seq;
  }

  sessions(group: string): PresenceWire {
    return new PresenceWire(this.access, this.topic, group);
  }

  ask(group: string): AskWire {
    return new AskWire(this.access.connection, this.topic, group);
  }

  /** Three requests. */
  async #missing(): Promise<MissingParts> {
    const names = { positions: positionsStreamOf(this.topic), leases: LEASE_BUCKET };
    const [stream, positions, leases] = await Promise.all(
      [this.topic, names.positions, streamOfBucket(LEASE_BUCKET)].map(
        async (name) => (await findStream(this.access.api, name)) === undefined,
      ),
    );
    return { stream: stream === true, positions: positions === true, leases: leases === true, names };
  }
}

/** A server's ways over NATS to all that an operator asks of its topics. */
export class OperatedServerWire {
  constructor(
    private readonly access: KeyAccess,
    private readonly clock: Clock,
  ) {}

  /** Three requests, and one for each stream that may be a topic's. */
  async topics(): Promise<readonly string[]> {
    const { api } = this.access;
    const found = await Promise.all([topicStreams(api), topicsWithGroups(api), topicsWithLeases(api)]);
    return [...new Set(found.flat())].sort();
  }

  topic(name: string): Promise<OperatedTopicWire> {
    return Promise.resolve(new OperatedTopicWire(this.access, name, this.clock));
  }
}
