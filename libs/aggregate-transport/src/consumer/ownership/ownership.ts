/** What a handler may know of the lease it runs under. */
export type LeaseView = Pick<Ownership, 'epoch' | 'isValid'>;

/**
 * The right to run the handlers of one partition. The pull loop asks it before every start and never
 * pulls for longer than it lasts.
 */
export interface Ownership {
  /** Grows with every change of owner; handlers may use it to fence their side effects. */
  readonly epoch: number;
  /** False from the moment somebody else may own the partition. */
  isValid(): boolean;
  /** Milliseconds until the right ends unless it is renewed. */
  remainingMs(): number;
}
