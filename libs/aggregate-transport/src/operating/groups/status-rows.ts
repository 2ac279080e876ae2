import type { PartitionOwnership } from './ownership.js';

/**
 * How a partition stands, as far as the server knows. What a process holds in its memory only that process can tell.
 */
export interface StatusRow extends PartitionOwnership {
  readonly topic: string;
  readonly group: string;
  readonly partition: number;
  /** How often the group began again; undefined, like the next three, if the topic has no stream. */
  readonly run: number | undefined;
  /** Events stored and not settled, whether the partition has an owner or not. */
  readonly lag: number | undefined;
  /** Those among them that lie below the highest settled one. */
  readonly unsettled: number | undefined;
  readonly oldestUnsettledMs: number | undefined;
  readonly parked: number;
  readonly letters: number;
  /** What the server lacks of this group, and what to do; undefined if nothing is missing. */
  readonly missing: readonly string[] | undefined;
}
