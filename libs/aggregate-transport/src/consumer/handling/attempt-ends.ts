import type { Clock } from '../../clock.js';
import type { Delivery } from '../../message/delivery.js';
import type { Breaker } from '../breaker/breaker.js';
import type { AttemptOutcome, AttemptSink, LaneObserver } from './lane-listener.js';
import type { Failure } from './outcome.js';

/** How long attempts take. Told of every one, so it must be cheap. */
export interface AttemptTimes {
  /** An attempt begins, at this time on the clock. True if its end is to be told. */
  readonly begins: (now: number) => boolean;
  readonly ended: (ms: number) => void;
}

export interface AttemptEndsOptions {
  readonly breaker: Pick<Breaker, 'attempted'>;
  readonly attempts: AttemptSink;
  readonly observer: Pick<LaneObserver, 'attemptEnded' | 'spans'>;
  readonly times: AttemptTimes;
  readonly clock: Clock;
}

/** Tells how attempts end to those who judge by it: the measures, the breaker, and the share that readiness goes by. */
export class AttemptEnds {
  constructor(private readonly options: AttemptEndsOptions) {}

  /** A handler is about to be called. True if {@link measure} is to be told that the attempt was chosen. */
  begins(event: Delivery): boolean {
    return this.options.times.begins(event.startedAt);
  }

  /** The handler has ended. Of several events together, `event` is the first. */
  measure(event: Delivery, failure: Failure | undefined, isChosen: boolean): void {
    const { observer, clock, times } = this.options;
    if (!isChosen && observer.attemptEnded === undefined) return;
    const ms = clock.now() - event.startedAt;
    if (isChosen) times.ended(ms);
    observer.attemptEnded?.(ms, failure?.stage);
  }

  /** The attempt has failed. Told before anything is written down of it, so that what is written names its trace. */
  noteFailed(event: Delivery): void {
    this.options.observer.spans?.noteFailed(event);
  }

  /** What follows the attempt is decided, or nothing does because the lease has ended. */
  decided(event: Delivery, outcome: AttemptOutcome, failure?: Failure): void {
    this.options.observer.spans?.ended(event, outcome, failure);
  }

  /** The end counts: the event is still this owner's. */
  count(event: Delivery, failure: Failure | undefined): void {
    const { breaker, attempts } = this.options;
    breaker.attempted(failure !== undefined, event.startedAt);
    attempts.attempted(event.token, failure !== undefined);
  }
}
