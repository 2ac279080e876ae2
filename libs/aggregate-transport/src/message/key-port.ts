/** A value and the revision it was written as. */
export interface StoredValue<T> {
  readonly value: T;
  readonly revision: number;
}

/** One key that several processes write. All writes are compare-and-set. */
export interface KeyPort<T> {
  /** @throws JETSTREAM_REQUEST_FAILED if the server does not answer */
  read(): Promise<StoredValue<T> | undefined>;
  /**
   * Replaces the value if its revision still is `revision` (0: there is none). Resolves with the new
   * revision, or with undefined if somebody else was faster.
   * @throws JETSTREAM_REQUEST_FAILED if the outcome is unknown
   */
  write(value: T, revision: number): Promise<number | undefined>;
  /** Calls back whenever anybody writes, or tries to; a hint, which may be missed. */
  onHint(callback: (value: T) => void): void;
  close(): void;
}
