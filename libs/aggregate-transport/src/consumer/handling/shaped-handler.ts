import { AggregateTransportError } from '../../errors.js';
import type { Delivery } from '../../message/delivery.js';
import type { Envelope } from '../../message/envelope.js';
import { payloadRefused, VersionNewerError } from '../../message/shapes/shape-errors.js';
import { type Shaped, shapePayload } from '../../message/shapes/shaped-payload.js';
import type { Shape, TopicShapes } from '../../message/shapes/topic-shapes.js';
import { type BatchHandler, endsLater, type EventHandler, type HandlerRun } from './event-handlers.js';
import type { Failure, FailurePolicy } from './outcome.js';

/** The lease, as an attempt sees it. */
export interface AttemptLease {
  readonly epoch: number;
  isValid(): boolean;
}

/**
 * An envelope whose payload has been shaped: that happens once, however often its event is tried. A class, because its
 * instances have one form; a spread copy costs several times as much.
 */
class ShapedEnvelope {
  readonly event_id: string;
  readonly aggregate_id: string;
  readonly event_type: string;
  readonly timestamp: string | undefined;
  readonly aggregate_version: number | undefined;
  readonly trace_id: string | undefined;
  readonly correlation_id: string | undefined;
  readonly tenant_id: number | undefined;

  constructor(
    from: Envelope,
    readonly event_version: number,
    readonly payload: unknown,
  ) {
    this.event_id = from.event_id;
    this.aggregate_id = from.aggregate_id;
    this.event_type = from.event_type;
    this.timestamp = from.timestamp;
    this.aggregate_version = from.aggregate_version;
    this.trace_id = from.trace_id;
    this.correlation_id = from.correlation_id;
    this.tenant_id = from.tenant_id;
  }
}

type Events = Parameters<BatchHandler['handleAll']>[0];

/**
 * Gives a handler payloads of the version and the shape that its topic declares. Handlers of topics without shapes are
 * not wrapped, so they pay nothing.
 *
 * 1. An event of a newer version than the declared one is refused without a call. Its aggregate blocks: a replica that
 *    knows this version will handle it.
 * 2. Upcasters and schema run. If they fail, the attempt has failed in its `shape`, which no retry can help.
 * 3. If one of them answers later, the lease is asked again: another process may have the partition by then.
 * 4. The handler is called.
 */
export class ShapedHandler implements EventHandler {
  readonly failurePolicy: FailurePolicy;
  readonly timeoutMs: number;
  readonly batches: BatchHandler | undefined;

  constructor(
    private readonly handler: EventHandler,
    private readonly shapes: TopicShapes,
    private readonly lease: AttemptLease,
  ) {
    this.failurePolicy = handler.failurePolicy;
    this.timeoutMs = handler.timeoutMs;
    const { batches } = handler;
    this.batches = batches && {
      size: batches.size,
      handleAll: (events) => this.#handleAll(events, batches),
    };
  }

  readonly refusalOf = (event: Delivery): Failure | undefined => {
    const shape = this.#shapeOf(event);
    if (shape === undefined) return undefined;
    const version = versionIn(event);
    if (!(version > shape.version)) return undefined;
    const error = new VersionNewerError({ type: shape.type, version }, shape.version);
    return { stage: 'shape', error, unrecoverable: false };
  };

  handle(event: Delivery): HandlerRun {
    const failure = this.#shape(event);
    if (endsLater(failure)) return this.#afterShapes(failure, () => this.handler.handle(event));
    return failure ?? this.handler.handle(event);
  }

  #handleAll(events: Events, batches: BatchHandler): HandlerRun {
    const waiting: PromiseLike<Failure | undefined>[] = [];
    for (const event of events) {
      const failure = this.#shape(event);
      if (endsLater(failure)) waiting.push(failure);
      else if (failure !== undefined) return failure;
    }
    if (waiting.length === 0) return batches.handleAll(events);
    const all = Promise.all(waiting).then((ended) => ended.find((failure) => failure !== undefined));
    return this.#afterShapes(all, () => batches.handleAll(events));
  }

  async #afterShapes(
    shaped: PromiseLike<Failure | undefined>,
    call: () => HandlerRun,
  ): Promise<Failure | undefined> {
    const { epoch } = this.lease;
    const failure = await shaped;
    if (failure !== undefined) return failure;
    if (this.lease.isValid() && this.lease.epoch === epoch) return call();
    const error = new AggregateTransportError(
      'LEASE_LOST',
      'the lease ended while the payload was brought into its shape; the handler was not started',
    );
    return { stage: 'handler', error, unrecoverable: false };
  }

  /** Brings the event's payload into its shape. Undefined if that is done, else why it failed. */
  #shape(event: Delivery): HandlerRun {
    const { envelope } = event;
    if (envelope === undefined || envelope instanceof ShapedEnvelope) return undefined;
    const shape = this.#shapeOf(event);
    if (shape === undefined) return undefined;
    const shaped = shapePayload(shape, versionIn(event), envelope.payload);
    return shaped instanceof Promise
      ? shaped.then((later) => settleShape(event, shape, later))
      : settleShape(event, shape, shaped);
  }

  #shapeOf({ envelope }: Delivery): Shape | undefined {
    return envelope && this.shapes.find(envelope.event_type);
  }
}

function settleShape(event: Delivery, shape: Shape, { fault, payload }: Shaped): Failure | undefined {
  const { type, version } = shape;
  if (fault !== undefined) {
    const error = payloadRefused({ type, version: versionIn(event) }, fault);
    return { stage: 'shape', error, unrecoverable: true };
  }
  if (event.envelope !== undefined)
    event.envelope = new ShapedEnvelope(event.envelope, version, payload) as Envelope;
  return undefined;
}

/** Other publishers may leave it out. */
function versionIn({ envelope }: Delivery): number {
  return (envelope as Partial<Envelope> | undefined)?.event_version ?? 1;
}
