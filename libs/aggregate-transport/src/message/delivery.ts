import type { BlockReason } from '../errors.js';
import type { Envelope } from './envelope.js';
import { aggregateIdOf } from './subject.js';

/** Names an operator's edit of an event. */
export interface EventEdit {
  readonly id: string;
  /** When it was made, milliseconds since 1970. */
  readonly at: number;
  readonly comment?: string;
}

/** What the stream says of one event. The rest of {@link Delivery} is what becomes of it in this process. */
export interface DeliveryOrigin {
  readonly subject: string;
  readonly token: string;
  /** The event's place in the topic's stream. */
  readonly sequence: number;
  /** The delivery's place among all deliveries of its reader; 0 if no reader delivered it. */
  readonly consumerSequence: number;
  readonly body: Uint8Array;
  /** Of a letter: the run of its group when it was filed. Other events are of the present run. */
  readonly run?: number;
  /** Of an event that is replayed for its aggregate alone: it was handled before. */
  readonly isReplay?: boolean;
  /** Of a letter whose payload an operator has written. */
  readonly edit?: EventEdit;
  /** Of a letter: when the stream was made that gave it its sequence. Other events are of the present stream. */
  readonly created?: string;
  /** Of a letter: the attempt that parked it, as a W3C `traceparent`. */
  readonly trace?: string;
  readHeaders(): Readonly<Record<string, string>>;
  /**
   * True if the header `traceparent` names a trace that is not recorded. Undefined, or missing, where only
   * {@link readHeaders} can tell. It makes nothing, so it may be asked of every event.
   */
  isTraceUnsampled?(): boolean | undefined;
  /** When the stream stored it, in nanoseconds since 1970, as text: a number cannot hold it. */
  readStoredAt(): string;
}

/** Why an attempt failed, and what follows; the words are those of `handling/outcome.ts`. Never a payload. */
export interface AttemptFailure {
  /** Where it failed: `handler`, `guard`, `decode`, and so on. */
  readonly stage: string;
  /** What follows: `retry`, `block`, `park`, `skip` or `halt`. */
  readonly outcome: string;
  /** The text of its error. */
  readonly error: string;
  /** The trace of that attempt, if attempts are traced. */
  readonly traceId?: string;
}

/** The span of an attempt. Kept where attempts are traced. */
export interface EventTrace {
  readonly traceId: string | undefined;
  /** As the W3C header of that name. */
  readonly traceparent: string | undefined;
}

/** What an error says besides its text. */
export interface NotedError {
  readonly name?: string | undefined;
  readonly code?: string | undefined;
  /** Why its aggregate blocks, if it says so. */
  readonly block?: BlockReason | undefined;
}

export interface LastFailure extends AttemptFailure {
  /** Of the error, if it has a name and a code that can be read. */
  readonly name: string | undefined;
  readonly code: string | undefined;
  /** Why its aggregate blocks, if the error said it. */
  readonly block: BlockReason | undefined;
  /** When the first attempt started, on the clock. */
  readonly since: number;
}

/** An item of a lane. */
export interface Link {
  next: Link | undefined;
}

/** An event that is not settled, as a link of the list that holds all of them in stream order. */
export interface Unsettled {
  readonly sequence: number;
  previousUnsettled: Unsettled | undefined;
  nextUnsettled: Unsettled | undefined;
}

/**
 * One event on its way through a process. It is read once from the socket and then handed along, so an event costs one
 * object. `next` is the link of its lane. The other links are those of the list of unsettled events.
 */
export class Delivery implements Unsettled {
  next: Link | undefined = undefined;
  previousUnsettled: Unsettled | undefined = undefined;
  nextUnsettled: Unsettled | undefined = undefined;
  /** The tenure whose list holds it; 0 once it is settled. */
  tenure = 0;
  /** Attempts started in this process: 1 during the first. */
  attempt = 0;
  /** When the running attempt started, on the clock. */
  startedAt = 0;
  /** Of the last attempt that has failed. */
  lastFailure: LastFailure | undefined = undefined;
  /** Of the running attempt, or of the last one; undefined where attempts are not traced. */
  trace: EventTrace | undefined = undefined;
  /** Set once the running attempt was reported as stuck. */
  reportedStuck = false;
  /** Filled in by the first attempt that decodes the body. */
  envelope: Envelope | undefined = undefined;
  #abort: AbortController | undefined = undefined;
  #aborted: { reason: unknown } | undefined = undefined;

  constructor(readonly origin: DeliveryOrigin) {
    this.token = origin.token;
    this.sequence = origin.sequence;
  }

  readonly token: string;
  readonly sequence: number;

  get aggregateId(): string {
    return aggregateIdOf(this.token);
  }

  get aborted(): boolean {
    return this.#aborted !== undefined;
  }

  /** Made on first use: few handlers look at it, and a controller costs more than the rest of this object. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#aborted !== undefined) this.#abort.abort(this.#aborted.reason);
    }
    return this.#abort.signal;
  }

  /** When the first attempt in this process started, on the clock. Nothing is kept for an event that does not fail. */
  get firstStartedAt(): number {
    return this.lastFailure?.since ?? this.startedAt;
  }

  /** Notes why an attempt has failed. */
  failed({ stage, outcome, error }: AttemptFailure, more: NotedError = {}): void {
    const { name, code, block } = more;
    const { firstStartedAt: since, trace } = this;
    const traceId = trace?.traceId;
    const traced = traceId === undefined ? undefined : { traceId };
    this.lastFailure = { stage, outcome, error, name, code, block, since, ...traced };
  }

  /** Marks the start of an attempt. */
  begin(now: number): void {
    this.attempt++;
    this.startedAt = now;
    this.reportedStuck = false;
    this.#abort = undefined;
    this.#aborted = undefined;
  }

  /** Tells the running attempt to give up. It ends when its handler settles, not before. */
  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = { reason };
    this.#abort?.abort(reason);
  }
}
