/** What the lease key of a partition holds. */
export interface LeaseRecord {
  /** The process that holds or held it. */
  readonly owner: string;
  /** For how long the record stands unless it is renewed, in milliseconds. */
  readonly ttlMs: number;
  /** Grows by one with every change of owner: the fencing token of handlers. */
  readonly epoch: number;
  /** The owner let go in peace; anyone may take over at once. */
  readonly released?: boolean;
  /** Every event of the partition up to this stream sequence is settled. */
  readonly floor: number;
  /** When the stream was made, as the server tells it: another time is another stream. */
  readonly streamCreated: string;
}

export interface StoredLease {
  readonly record: LeaseRecord;
  readonly revision: number;
}

/** The key of one partition's lease. All writes are compare-and-set. */
export interface LeasePort {
  /** @throws JETSTREAM_REQUEST_FAILED if the server does not answer */
  read(): Promise<StoredLease | undefined>;
  /**
   * Replaces the record if its revision still is `revision` (0: there is none). Resolves with the new
   * revision, or with undefined if somebody else was faster.
   * @throws JETSTREAM_REQUEST_FAILED if the outcome is unknown
   */
  write(record: LeaseRecord, revision: number): Promise<number | undefined>;
  /** Calls back whenever anybody writes, or tries to; a hint, which may be missed. */
  onHint(callback: (record: LeaseRecord) => void): void;
  close(): void;
}
