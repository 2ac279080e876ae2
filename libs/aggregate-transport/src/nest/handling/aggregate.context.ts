import { BaseRpcContext } from '@nestjs/microservices';
import type { Delivery } from '../../message/delivery.js';
import type { Envelope } from '../../message/envelope.js';
import type { PublishReceipt } from '../../message/event.js';
import type { AttemptContext } from '../../transport/around.js';
import type { PartitionView } from '../../transport/open-group.js';
import {
  type CausedEvent,
  CausedEvents,
  type CausedEventOptions,
  type EventTarget,
} from './caused-events.js';
import type { AttemptTrace } from './method-runs.js';

/** An operator's edit of an event, as its handler sees it. */
export interface EventEditView {
  /** Names the edit. */
  readonly id: string;
  /** When it was made. */
  readonly at: Date;
  /** Why, in the operator's words. */
  readonly comment?: string;
}

/** What every event of one handler has in common. */
export interface HandlerScope {
  readonly topic: string;
  readonly group: string;
  readonly partition: number;
  readonly view: PartitionView;
}

const SEQUENCES_PER_RUN = 2n ** 48n;
const NANOS_PER_MS = 1_000_000n;

/** An event's place among all that its aggregate has had in a group: higher in each later run. */
export function positionOf({ run, sequence }: { readonly run: number; readonly sequence: number }): bigint {
  return BigInt(run) * SEQUENCES_PER_RUN + BigInt(sequence);
}

/** Other publishers may leave out what has a default, and write null for what they do not know. */
type StoredEnvelope = Omit<Envelope, 'event_version' | 'timestamp'> &
  Partial<Pick<Envelope, 'event_version' | 'timestamp'>>;

/** What `@Ctx()` injects: everything about the event besides its payload. */
export class AggregateContext extends BaseRpcContext<[Delivery]> implements AttemptContext {
  readonly #event: Delivery;
  readonly #envelope: StoredEnvelope;
  readonly #scope: HandlerScope;
  /**
   * Grows with every change of the partition's owner; a store that remembers it can refuse a late writer. It stays what
   * it was when the attempt began. A handler that slept through the loss of its lease must not wake up with the token
   * of the next one.
   */
  readonly fencingToken: number;
  /**
   * How often the group began again for this topic: its stream was made again, or it was reset, or one aggregate of the
   * partition was. 0 at first. Stays what it was when the attempt began, as {@link fencingToken} does.
   */
  readonly run: number;
  /** True below the place that the group, or this aggregate alone, had reached before a reset. */
  readonly isReplay: boolean;
  #trace: AttemptTrace | undefined;
  #caused: CausedEvents | undefined;

  /** @internal */
  constructor(event: Delivery, envelope: Envelope, scope: HandlerScope) {
    super([event]);
    this.#event = event;
    this.#envelope = envelope;
    this.#scope = scope;
    const { view } = scope;
    const { run, isReplay } = event.origin;
    this.fencingToken = view.epoch;
    // A letter keeps the run it was filed in: its sequence belongs to that one.
    this.run = run ?? view.runOf(event.sequence);
    this.isReplay = isReplay ?? (this.run >= view.replayRun && event.sequence <= view.replayUntil);
  }

  /**
   * How far Nest's pipeline has come; the guards come first. Made by the first who asks: a direct call has none.
   * @internal
   */
  get trace(): AttemptTrace {
    return (this.#trace ??= { stage: 'guard', thrown: undefined, running: undefined });
  }

  /**
   * False if the lease has ended since this attempt began. Nest's guards and pipes take their time, and the event loop
   * may have been blocked meanwhile.
   * @internal
   */
  mayStart(): boolean {
    const { view } = this.#scope;
    return view.isValid() && view.epoch === this.fencingToken;
  }

  /**
   * Publishes an event that follows from this one. Its id is made from this one, so it is stored once, however often
   * and however late this one is handled again. If it is stored already the receipt says `duplicate`. A reset stores
   * nothing again, unless `again` is set. Await it before the handler returns.
   *
   * Where a repeat is possible the history of the target's aggregate is read first, about a millisecond per event. That
   * is so in a second attempt, for letters, and for events that were stored before this process took the partition.
   * An event that the target's stream has dropped meanwhile is stored again.
   *
   * @throws EVENT_INVALID for an `eventId`, LEASE_LOST, ABORTED, JETSTREAM_REQUEST_FAILED: never sent
   * @throws as {@link AggregatePublisher.publish}
   */
  publish<P extends EventTarget>(
    publisher: P,
    event: CausedEvent<P>,
    options: CausedEventOptions = {},
  ): Promise<PublishReceipt> {
    this.#caused ??= this.#makeCaused();
    return this.#caused.publish(publisher, event, options);
  }

  #makeCaused(): CausedEvents {
    const { origin, attempt, sequence, signal } = this.#event;
    const { group, topic, view } = this.#scope;
    return new CausedEvents({
      ...{ group, topic, sequence, signal, run: this.run },
      created: origin.created ?? view.created,
      mayBeRepeat: origin.created !== undefined || attempt > 1 || sequence <= view.startedThrough,
      mayPublish: () => this.mayStart(),
    });
  }

  /** @internal */
  get payload(): unknown {
    return this.#envelope.payload;
  }

  /** The topic of the event. */
  get topic(): string {
    return this.#scope.topic;
  }

  /** The group that handles it. */
  get group(): string {
    return this.#scope.group;
  }

  /** The group's partition that the aggregate belongs to, from 0. */
  get partition(): number {
    return this.#scope.partition;
  }

  /** The aggregate that the event belongs to. */
  get aggregateId(): string {
    return this.#envelope.aggregate_id;
  }

  /** The type that the event was published under. */
  get type(): string {
    return this.#envelope.event_type;
  }

  /** The same in every attempt, every group and every run. */
  get eventId(): string {
    return this.#envelope.event_id;
  }

  /** Schema version of the payload. */
  get version(): number {
    return this.#envelope.event_version ?? 1;
  }

  /** The service's own count of the aggregate's events, if its publisher sets one. */
  get aggregateVersion(): number | undefined {
    return this.#envelope.aggregate_version ?? undefined;
  }

  /** When it happened; when it was stored, if its publisher does not say. */
  get timestamp(): Date {
    const { timestamp } = this.#envelope;
    return new Date(timestamp ?? Number(BigInt(this.#event.origin.readStoredAt()) / NANOS_PER_MS));
  }

  /** As its publisher gave it. */
  get traceId(): string | undefined {
    return this.#envelope.trace_id ?? undefined;
  }

  /** As its publisher gave it. */
  get correlationId(): string | undefined {
    return this.#envelope.correlation_id ?? undefined;
  }

  /** As its publisher gave it. */
  get tenantId(): number | undefined {
    return this.#envelope.tenant_id ?? undefined;
  }

  /** The message's headers, read when asked for. */
  get headers(): Readonly<Record<string, string>> {
    return this.#event.origin.readHeaders();
  }

  /**
   * The event's sequence in the topic's stream; rises within an aggregate as long as the stream lives. To tell a
   * repeated event from a new one, store {@link position} instead.
   */
  get sequence(): number {
    return this.#event.sequence;
  }

  /**
   * Set if an operator has written this event's payload (`parked edit`). The event keeps its sequence and its place.
   * The original is kept in the parked stream and is never handled by this group.
   */
  get edit(): EventEditView | undefined {
    const { edit } = this.#event.origin;
    return (
      edit && {
        id: edit.id,
        at: new Date(edit.at),
        ...(edit.comment === undefined ? {} : { comment: edit.comment }),
      }
    );
  }

  /** Attempts in this process: 1, 2, … */
  get attempt(): number {
    return this.#event.attempt;
  }

  /**
   * `run * 2^48 + sequence`: grows with each event of an aggregate in this group, also across a stream that was made
   * again and a reset. Stored together with the side effect, it tells a repeated event from a new one.
   */
  get position(): bigint {
    return positionOf(this);
  }

  /**
   * Aborted when the handler's time is over, when the lease is lost or handed over, and when the process stops. Also
   * when an interceptor ends before the handler.
   */
  get signal(): AbortSignal {
    return this.#event.signal;
  }

  /**
   * Aborts {@link signal}: an interceptor has ended the attempt while the handler's method runs.
   * @internal
   */
  abandon(reason: unknown): void {
    this.#event.abort(reason);
  }

  /** The pattern Nest's tools show for this message. */
  getPattern(): string {
    return this.#scope.topic;
  }

  /** The headers, as Nest's tools read them. */
  getMetadata(): Readonly<Record<string, string>> {
    return this.headers;
  }
}
