import type { Clock } from '../../clock.js';
import type { GroupOnServer, GroupQuestion } from '../../records/group-on-server.js';
import { findStream } from '../api/provision.js';
import { subjectsOf } from '../api/subjects.js';
import {
  groupPrefix,
  LEASE_BUCKET,
  leaseFilter,
  positionsStreamOf,
  streamOfBucket,
} from '../keys/key-places.js';
import type { KeyAccess } from '../keys/partition-key.js';
import { GroupAccess } from './group-access.js';
import { GroupLook } from '../groups/group-status.js';

/** A topic's ways over NATS to its groups. */
export class TopicGroupsWire {
  constructor(
    private readonly access: KeyAccess,
    readonly topic: string,
    private readonly clock: Clock,
  ) {}

  async names(): Promise<readonly string[]> {
    const { api } = this.access;
    const prefix = groupPrefix(this.topic);
    const [records, leases] = await Promise.all([
      subjectsOf(api, positionsStreamOf(this.topic), `${prefix}*`),
      subjectsOf(api, streamOfBucket(LEASE_BUCKET), leaseFilter(this.topic, '*')),
    ]);
    const recorded = [...records.keys()].map((subject) => subject.slice(prefix.length));
    const leased = [...leases.keys()].map((subject) => subject.split('.').at(-4) ?? '');
    return [...new Set([...recorded, ...leased])].sort();
  }

  portsOf(group: string): GroupAccess {
    return new GroupAccess(this.access, { topic: this.topic, group }, this.clock);
  }

  async lookAt(question: GroupQuestion): Promise<GroupOnServer> {
    const { access, clock, topic } = this;
    const [leases, positions] = await Promise.all(
      [streamOfBucket(LEASE_BUCKET), positionsStreamOf(topic)].map((name) => findStream(access.api, name)),
    );
    const missing = { leases: leases === undefined, positions: positions === undefined };
    return new GroupLook({ ...access, topic, question, clock, missing }).read();
  }
}
