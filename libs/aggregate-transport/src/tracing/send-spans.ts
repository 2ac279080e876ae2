import type { PublishReceipt } from '../message/event.js';
import {
  PRODUCER,
  SAMPLED,
  type Span,
  type SpanContext,
  type SpanOptions,
  type TraceContext,
} from './api.js';
import { ATTRIBUTE, SYSTEM } from './attributes.js';
import { type Headers, headerIn } from './carrier.js';
import { recordError } from './span-error.js';
import type { Tracing } from './tracing.js';

/** What a `send` span says of its event. */
export interface SentEvent {
  readonly aggregateId?: string;
  readonly eventId?: string | undefined;
  readonly type?: string;
  readonly headers?: Headers | undefined;
}

/** Where the span of one event belongs. */
interface Place {
  readonly parent: TraceContext;
  /** The span in it. */
  readonly above: SpanContext | undefined;
  /** The span that the event's own headers name. */
  readonly created: SpanContext | undefined;
}

/**
 * The `send` spans of one topic: one for each event that is published. A span begins with the call and ends with its
 * outcome. Its context goes into the event's headers, and is the parent of what handles the event.
 *
 * An event that has a trace in its own headers keeps it unchanged, as the conventions ask. Then nothing is added, and
 * the span links to that trace. It is a child of it, if the caller has no span.
 */
export class SendSpans {
  readonly #name: string;
  readonly #options: SpanOptions;
  readonly #skipsUnsampled: boolean;

  constructor(
    private readonly tracing: Tracing,
    topic: string,
  ) {
    this.#name = `send ${topic}`;
    const attributes = {
      [ATTRIBUTE.system]: SYSTEM,
      [ATTRIBUTE.destination]: topic,
      [ATTRIBUTE.operationName]: 'send',
      [ATTRIBUTE.operationType]: 'send',
    };
    this.#options = { kind: PRODUCER, attributes: Object.freeze(attributes) };
    this.#skipsUnsampled = tracing.skipsUnsampled(this.#name, this.#options);
  }

  /** Begins the span of a publish call, in the caller's context. */
  begin(event: SentEvent): SendSpan {
    return this.#begin(event, this.tracing.active());
  }

  /** Begins the span of a row that was kept with its trace: the relay that sends it has none of its own. */
  beginKept(event: SentEvent): SendSpan {
    return this.#begin(event, undefined);
  }

  /** The headers that keep the caller's trace with an event that is sent later; undefined if there is nothing to keep. */
  keep(event: SentEvent): Headers | undefined {
    const own = headersOf(event);
    if (own !== undefined && this.tracing.spanIn(this.tracing.extract(own)) !== undefined) return undefined;
    return besides(this.tracing.inject(this.tracing.active()), own);
  }

  #begin(event: SentEvent, active: TraceContext | undefined): SendSpan {
    const { tracing } = this;
    const own = headersOf(event);
    if (this.#skipsUnsampled && own === undefined && active !== undefined) {
      const headers = tracing.injectUnsampled(active);
      if (headers !== undefined) return new SendSpan(tracing, undefined, headers);
    }
    const { parent, above, created } = this.#placeOf(own, active);
    const add = (context: TraceContext): Headers | undefined =>
      created === undefined ? besides(tracing.inject(context), own) : undefined;
    if (this.#skips(above)) return new SendSpan(tracing, undefined, add(parent));
    const span = tracing.start(this.#name, this.#optionsFor(created), parent);
    if (span === undefined) return new SendSpan(tracing, undefined, undefined);
    const added = add(tracing.withSpan(parent, span));
    if (!tracing.isRecording(span)) return new SendSpan(tracing, undefined, added);
    tracing.tell(span, () => {
      describe(span, event, tracing.namesAggregates);
    });
    return new SendSpan(tracing, span, added);
  }

  /** Where the span of an event belongs: below the caller's span, else below the one that its headers name. */
  #placeOf(own: Headers | undefined, active: TraceContext | undefined): Place {
    const { tracing } = this;
    const kept = own && tracing.extract(own);
    const created = kept && tracing.spanIn(kept);
    const caller = active && tracing.spanIn(active);
    if (created !== undefined && caller === undefined)
      return { parent: kept as TraceContext, above: created, created };
    return { parent: active ?? kept ?? tracing.root, above: caller, created };
  }

  /** Below a trace that is not recorded, no span is. */
  #skips(above: SpanContext | undefined): boolean {
    return this.#skipsUnsampled && above !== undefined && (above.traceFlags & SAMPLED) === 0;
  }

  #optionsFor(created: SpanContext | undefined): SpanOptions {
    return created === undefined ? this.#options : { ...this.#options, links: [{ context: created }] };
  }
}

/** The span of one publish call. */
class SendSpan {
  constructor(
    private readonly tracing: Tracing,
    /** Undefined if nothing is recorded. */
    private readonly span: Span | undefined,
    /** What is added to the event's own headers. */
    readonly headers: Headers | undefined,
  ) {}

  /** Ends the span when the call has its outcome. Answers the same promise, so that the caller sees no difference. */
  settle(stored: Promise<PublishReceipt>): Promise<PublishReceipt> {
    const { span, tracing } = this;
    if (span === undefined) return stored;
    stored.then(
      ({ sequence, duplicate }) =>
        tracing.tell(span, () => {
          span.setAttribute(ATTRIBUTE.sequence, sequence);
          if (duplicate) span.setAttribute(ATTRIBUTE.duplicate, true);
          span.end();
        }),
      (error: unknown) =>
        tracing.tell(span, () => {
          recordError(span, error);
          span.end();
        }),
    );
    return stored;
  }
}

function describe(span: Span, event: SentEvent, namesAggregates: boolean): void {
  const { type, aggregateId, eventId } = event;
  if (typeof type === 'string') span.setAttribute(ATTRIBUTE.eventType, type);
  if (!namesAggregates) return;
  if (typeof aggregateId === 'string') span.setAttribute(ATTRIBUTE.aggregateId, aggregateId);
  if (typeof eventId === 'string') span.setAttribute(ATTRIBUTE.messageId, eventId);
}

/** The caller's own headers. What cannot be read is refused when the event is checked. */
function headersOf(event: SentEvent): Headers | undefined {
  try {
    const { headers } = event;
    return typeof headers === 'object' ? headers : undefined;
  } catch {
    return undefined;
  }
}

/** Without those that the caller has set, under any case of their names. */
function besides(added: Headers | undefined, own: Headers | undefined): Headers | undefined {
  if (added === undefined || own === undefined) return added;
  const left = Object.entries(added).filter(([name]) => headerIn(own, name.toLowerCase()) === undefined);
  return left.length === 0 ? undefined : Object.fromEntries(left);
}
