import type { Failure } from '../consumer/handling/outcome.js';
import type { AttemptOutcome, AttemptSpans } from '../consumer/handling/lane-listener.js';
import type { Delivery, EventTrace } from '../message/delivery.js';
import { namedSpanIn, traceparentOf } from '../traceparent.js';
import {
  CONSUMER,
  SAMPLED,
  type Span,
  type SpanAttributes,
  type SpanContext,
  type SpanOptions,
  type TraceContext,
} from './api.js';
import { ATTRIBUTE, SYSTEM } from './attributes.js';
import { HeaderContext, type HeaderReader } from './header-context.js';
import { recordError } from './span-error.js';
import type { Tracing } from './tracing.js';

/** Where handlers run. */
export interface ProcessPlace {
  readonly topic: string;
  readonly group: string;
  readonly partition: number;
}

/** Tells which events were handled before. */
export interface ReplayView {
  readonly replayRun: number;
  readonly replayUntil: number;
  runOf(sequence: number): number;
}

/** A link names more than it helps beyond this; the SDK's own limit is 128. */
const MAX_LINKS = 128;

/** The span of one attempt, kept at its events: of the last attempt, once that has ended. */
class AttemptTrace implements EventTrace {
  /** Undefined if nothing is recorded, and after the end. */
  span: Span | undefined;

  constructor(
    private readonly tracing: Tracing,
    /** What is active inside the handler. */
    readonly context: TraceContext,
    /** Of which attempt at the event. */
    readonly attempt: number,
  ) {}

  get traceId(): string | undefined {
    return this.spanContext?.traceId;
  }

  get traceparent(): string | undefined {
    const named = this.spanContext;
    return named && traceparentOf(named);
  }

  get spanContext(): SpanContext | undefined {
    return this.tracing.spanIn(this.context);
  }
}

/** An attempt that has no span, because the trace of its event is not recorded. One object, made for most events. */
class UnrecordedAttempt extends HeaderContext<Delivery> implements EventTrace {
  readonly span = undefined;

  constructor(
    reader: HeaderReader<Delivery>,
    event: Delivery,
    readonly attempt: number,
  ) {
    super(reader, event);
  }

  get context(): TraceContext {
    return this;
  }

  get traceId(): string | undefined {
    return this.spanContext?.traceId;
  }

  get traceparent(): string | undefined {
    const named = this.spanContext;
    return named && traceparentOf(named);
  }
}

/** What this room keeps at events. */
type Kept = AttemptTrace | UnrecordedAttempt;

/**
 * The `process` spans of one partition: one for each attempt of a handler. Their parents:
 *
 * - The first attempt at an event is a child of the span that sent it.
 * - A later attempt, a letter, an event that is handled again after a reset, and a batch are traces of their own. They
 *   link to the spans that sent their events, and to the last attempt that is known. They may come days later.
 * - An event whose trace is not recorded starts no recorded trace in either case.
 */
export class ProcessSpans implements AttemptSpans, HeaderReader<Delivery> {
  readonly #name: string;
  /** Made once: most attempts need no other. */
  readonly #attributes: SpanAttributes;
  readonly #first: SpanOptions;
  readonly #skipsUnsampled: boolean;

  constructor(
    private readonly tracing: Tracing,
    { topic, group, partition }: ProcessPlace,
    private readonly view: ReplayView,
  ) {
    this.#name = `process ${topic}`;
    this.#attributes = Object.freeze({
      [ATTRIBUTE.system]: SYSTEM,
      [ATTRIBUTE.destination]: topic,
      [ATTRIBUTE.operationName]: 'process',
      [ATTRIBUTE.operationType]: 'process',
      [ATTRIBUTE.group]: group,
      [ATTRIBUTE.partition]: String(partition),
    });
    this.#first = { kind: CONSUMER, attributes: this.#attributes };
    this.#skipsUnsampled = tracing.skipsUnsampled(this.#name, this.#first);
  }

  /** Headers that cannot be read tell no trace; the event is judged by what decodes it. */
  contextIn({ origin }: Delivery): TraceContext {
    let headers: Readonly<Record<string, string>> = {};
    try {
      headers = origin.readHeaders();
    } catch {
      // As if there were none.
    }
    return this.tracing.extract(headers);
  }

  spanIn(context: TraceContext): SpanContext | undefined {
    return this.tracing.spanIn(context);
  }

  begin(event: Delivery): void {
    const { tracing } = this;
    const { trace: last, origin } = event;
    if (this.#skipsUnsampled && origin.isTraceUnsampled?.() === true) {
      event.trace = new UnrecordedAttempt(this, event, event.attempt);
      return;
    }
    const context = this.contextIn(event);
    const created = tracing.spanIn(context);
    const replay = this.#isReplay(event);
    const isLinked = event.attempt > 1 || origin.created !== undefined || replay;
    const isRoot = isLinked && (created === undefined || (created.traceFlags & SAMPLED) !== 0);
    const options = isRoot ? this.#linked(event, created, last) : this.#first;
    const trace = this.#started(event.attempt, options, context);
    event.trace = trace;
    const span = trace?.span;
    if (span === undefined) return;
    tracing.tell(span, () => {
      this.#describe(span, event);
      if (origin.created !== undefined && origin.isReplay === undefined)
        span.setAttribute(ATTRIBUTE.letter, true);
      if (replay) span.setAttribute(ATTRIBUTE.replay, true);
      if (created !== undefined && !isRoot) span.addLink({ context: created });
    });
  }

  beginAll(events: readonly [Delivery, ...Delivery[]]): void {
    const [head] = events;
    if (events.length === 1) {
      this.begin(head);
      return;
    }
    const { tracing } = this;
    const contexts = events.map((event) => this.contextIn(event));
    const created = contexts.map((context) => tracing.spanIn(context));
    const known = created.filter((context) => context !== undefined);
    const isRecorded = known.length === 0 || known.some(({ traceFlags }) => (traceFlags & SAMPLED) !== 0);
    const parent = contexts[created.findIndex((context) => context !== undefined)];
    const links = known.slice(0, MAX_LINKS).map((context) => ({ context }));
    const attributes = { ...this.#attributes, [ATTRIBUTE.batchCount]: events.length };
    const options: SpanOptions = { kind: CONSUMER, attributes, links, root: true };
    const trace =
      isRecorded || parent === undefined
        ? this.#started(head.attempt, options, tracing.extract({}))
        : this.#started(head.attempt, this.#first, parent);
    for (const event of events) event.trace = trace;
    const span = trace?.span;
    if (span !== undefined) tracing.tell(span, () => this.#describe(span, head));
  }

  within<S, A, R>(event: Delivery, method: (this: S, argument: A) => R, self: S, argument: A): R {
    const { trace } = event;
    return trace === undefined
      ? method.call(self, argument)
      : this.tracing.within((trace as Kept).context, method, self, argument);
  }

  noteFailed(event: Delivery): void {
    // It failed before its handler was reached: the span is as short.
    if ((event.trace as Kept | undefined)?.attempt !== event.attempt) this.begin(event);
  }

  ended(event: Delivery, outcome: AttemptOutcome, failure: Failure | undefined): void {
    const trace = event.trace as Kept | undefined;
    if (!(trace instanceof AttemptTrace)) return;
    const { span } = trace;
    if (span === undefined) return;
    trace.span = undefined;
    this.tracing.tell(span, () => {
      span.setAttribute(ATTRIBUTE.outcome, outcome);
      if (failure !== undefined) {
        span.setAttribute(ATTRIBUTE.stage, failure.stage);
        recordError(span, failure.error);
      }
      span.end();
    });
  }

  #started(attempt: number, options: SpanOptions, context: TraceContext): AttemptTrace | undefined {
    const { tracing } = this;
    const span = tracing.start(this.#name, options, context);
    if (span === undefined) return undefined;
    const trace = new AttemptTrace(tracing, tracing.withSpan(context, span), attempt);
    if (tracing.isRecording(span)) trace.span = span;
    return trace;
  }

  /** A trace of its own, that names what it follows from. */
  #linked(
    { attempt, origin }: Delivery,
    created: SpanContext | undefined,
    last: EventTrace | undefined,
  ): SpanOptions {
    const before = last === undefined ? namedSpanIn(origin.trace) : (last as Kept).spanContext;
    const links = [created, before].filter((context) => context !== undefined);
    return {
      kind: CONSUMER,
      attributes: { ...this.#attributes, [ATTRIBUTE.attempt]: attempt },
      links: links.map((context) => ({ context })),
      root: true,
    };
  }

  #describe(span: Span, { sequence, attempt, envelope, aggregateId }: Delivery): void {
    span.setAttribute(ATTRIBUTE.sequence, sequence);
    span.setAttribute(ATTRIBUTE.attempt, attempt);
    if (envelope !== undefined) span.setAttribute(ATTRIBUTE.eventType, envelope.event_type);
    if (!this.tracing.namesAggregates) return;
    span.setAttribute(ATTRIBUTE.aggregateId, aggregateId);
    if (envelope !== undefined) span.setAttribute(ATTRIBUTE.messageId, envelope.event_id);
  }

  #isReplay({ origin, sequence }: Delivery): boolean {
    if (origin.isReplay !== undefined) return origin.isReplay;
    const { view } = this;
    return sequence <= view.replayUntil && (origin.run ?? view.runOf(sequence)) >= view.replayRun;
  }
}
