/** The right to run the handlers of one partition. It is asked before every start. */
export interface Ownership {
  /** Grows with every change of owner; handlers may use it to fence their side effects. */
  readonly epoch: number;
  /** False from the moment another process may own the partition. */
  isValid(): boolean;
  /** Milliseconds until the right ends unless it is renewed. */
  remainingMs(): number;
}

/** The lease, as the partition that runs under it asks for it. */
export interface Tenancy extends Ownership {
  /** Names this process. */
  readonly owner: string;
  readonly ttlMs: number;
  /** Ends this epoch; the next one is sought at once, above `above`. No other owner came in between: no lease is lost. */
  startOver(reason: string, above?: number): void;
  /** Another owner has claimed the position in this epoch: the lease is lost, and sought at once above it. */
  overtaken(epoch: number): void;
  /** Gives the lease up: another replica may do better. Call only if nothing was started under this epoch. */
  giveUp(reason: string): void;
  /** What the lease says of the partition has changed: that a record of the position exists, or what still runs. */
  noteFacts(): void;
}
