/** A key as the server holds it. */
export interface StoredValue<T> {
  /** Undefined if the key was never written, or was deleted. */
  readonly value: T | undefined;
  /** Of the last write; 0 if there was none. A deleted key keeps a revision, and the next write must expect it. */
  readonly revision: number;
}

/** One key that several processes write. All writes are compare-and-set. */
export interface KeyPort<T> {
  /** The largest value the server takes, in bytes. Read it before each use: a reconnect may change it. */
  readonly maxBytes: number;
  /**
   * Reads from the leader of the key's stream.
   * @throws JETSTREAM_REQUEST_FAILED if the server does not answer
   * @throws RECORD_INVALID if the key does not hold JSON
   */
  read(): Promise<StoredValue<T>>;
  /**
   * Replaces the value if its revision still is `revision`. Resolves with the new revision, or with undefined if
   * another write was first.
   * @throws JETSTREAM_REQUEST_FAILED if the outcome is unknown
   * @throws RECORD_INVALID if the value has more than `maxBytes`; nothing is sent
   */
  write(value: T, revision: number): Promise<number | undefined>;
  /** Calls back on every write, refused ones included; with undefined for a deletion. A hint: it may be missed. */
  onHint(callback: (value: T | undefined) => void): void;
  close(): void;
}
