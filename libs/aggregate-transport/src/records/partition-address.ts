/** Names one partition of a group. Part of every key and reader name, so two layouts never share one. */
export interface PartitionAddress {
  readonly topic: string;
  readonly group: string;
  /** The change that made the layout; 0 for the group's first one. */
  readonly layout: number;
  readonly partitions: number;
  readonly partition: number;
}
