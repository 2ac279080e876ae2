import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { KeyAccess } from '../stream/keys/partition-key.js';
import type { ResolvedTopic } from './resolve-options.js';

/** What all ways of a topic over NATS have in common. */
export interface NatsTopic extends KeyAccess {
  readonly topic: ResolvedTopic;
  readonly clock: Clock;
  readonly log: Log;
}
