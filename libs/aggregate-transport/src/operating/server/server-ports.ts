import type { AskPort } from '../../asking/ask-port.js';
import type { ParkedArchive } from '../../parking/parked-port.js';
import type { PresencePort } from '../../records/member-record.js';
import type { AggregatePorts } from '../aggregates/aggregate-ports.js';
import type { TopicGroups } from '../groups/group-ports.js';
import type { StatusPorts } from '../groups/status-rows.js';

/** What the server holds of a topic's stream: events, their bytes, and how many aggregates they are of. */
export interface StreamStand {
  /** How many the stream holds. */
  readonly events: number;
  /** Bytes that they take on the server. */
  readonly bytes: number;
  /** How many aggregates they are of. */
  readonly aggregates: number;
  /** Of its oldest event. */
  readonly firstSequence: number;
  /** Of the last event that it has ever stored; 0 for none. */
  readonly lastSequence: number;
  /** When its last event was stored, in milliseconds since 1970; undefined without one. */
  readonly lastStoredAt: number | undefined;
}

/** All that an operator asks of one topic. Every call rejects with JETSTREAM_REQUEST_FAILED if it is not answered. */
export interface TopicPorts {
  readonly topic: string;
  readonly groups: TopicGroups;
  readonly aggregates: AggregatePorts;
  readonly parked: (group: string) => ParkedArchive;
  readonly status: StatusPorts;
  /** Undefined if the topic has no stream. */
  readonly stand: () => Promise<StreamStand | undefined>;
  /** The last sequence of an aggregate that the stream holds; undefined if it holds none. */
  readonly lastSequenceOf: (token: string) => Promise<number | undefined>;
  readonly sessions: (group: string) => Pick<PresencePort, 'list' | 'read'>;
  readonly ask: (group: string) => AskPort;
}

/** All that an operator asks of a server. */
export interface ServerPorts {
  /**
   * The topics that have a stream of ours, or had a group. Sorted.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  readonly topics: () => Promise<readonly string[]>;
  /** @throws TOPIC_UNDECLARED where only declared topics can be reached */
  readonly topic: (name: string) => Promise<TopicPorts>;
}
