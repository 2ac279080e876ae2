import { describeError, errorFields } from '../errors.js';
import { muteRejection } from '../foreign.js';
import type { Log } from '../log.js';
import {
  type OpenTelemetryApi,
  SAMPLED,
  type Span,
  type SpanContext,
  type SpanOptions,
  type TraceContext,
  type TracePropagator,
  type Tracer,
} from './api.js';
import { type Headers, READ_HEADERS, WRITE_HEADERS } from './carrier.js';

/** Spans for publish calls and attempts, by OpenTelemetry; docs/tracing.md tells their names and attributes. */
export interface TracingOptions {
  /** Makes the spans: `trace.getTracer('…')` of `@opentelemetry/api`, which must be installed. */
  tracer: Tracer;
  /** How traces travel in headers. Without it the one that the application's SDK has registered. */
  propagator?: TracePropagator;
  /** Spans say the aggregate's id and the event's id. They can name a person, so they are left out by default. */
  aggregateId?: boolean;
}

/** The headers of the W3C. */
const W3C = ['traceparent', 'tracestate', 'baggage'];
/** The lowest trace id, in a trace that is not recorded. */
const UNRECORDED = '00-00000000000000000000000000000001-0000000000000001-00';

interface Parts extends TracingOptions {
  readonly api: OpenTelemetryApi;
  readonly log: Log;
}

/**
 * The application's tracer, propagator and context manager, as all spans of this process use them. They are foreign
 * code: what they throw costs spans, is logged once, and changes nothing else. Nothing here throws.
 */
export class Tracing {
  readonly #api: OpenTelemetryApi;
  readonly #propagator: TracePropagator;
  readonly namesAggregates: boolean;
  /** Traces travel as the W3C headers and in no other way, so that their flags can be read from `traceparent`. */
  readonly isW3C: boolean;
  #hasFailed = false;

  constructor(private readonly parts: Parts) {
    this.#api = parts.api;
    this.#propagator = parts.propagator ?? parts.api.propagation;
    this.namesAggregates = parts.aggregateId === true;
    const fields = this.#fields();
    this.isW3C = fields.includes('traceparent') && fields.every((name) => W3C.includes(name));
    this.#checkSurroundings(fields);
  }

  /** The context that says nothing. */
  get root(): TraceContext {
    return this.#api.ROOT_CONTEXT;
  }

  /** The context of the caller. */
  active(): TraceContext {
    try {
      return this.#api.context.active();
    } catch (error) {
      return this.failed('context.active', error, this.#api.ROOT_CONTEXT);
    }
  }

  /** What the headers say of the event's trace and baggage, and nothing of the caller's. */
  extract(headers: Headers): TraceContext {
    const { ROOT_CONTEXT } = this.#api;
    try {
      const found: unknown = this.#propagator.extract(ROOT_CONTEXT, headers, READ_HEADERS);
      return typeof found === 'object' && found !== null ? found : ROOT_CONTEXT;
    } catch (error) {
      return this.failed('propagator.extract', error, ROOT_CONTEXT);
    }
  }

  /** The headers by which a context travels; undefined if there is nothing to say. */
  inject(context: TraceContext): Record<string, string> | undefined {
    const headers: Record<string, string> = {};
    try {
      this.#propagator.inject(context, headers, WRITE_HEADERS);
    } catch (error) {
      this.failed('propagator.inject', error, undefined);
    }
    for (const _ in headers) return headers;
    return undefined;
  }

  /**
   * The headers by which a context travels if it names a trace that is not recorded; undefined for any other. Most
   * publish calls of a service that samples few traces need no more than this.
   */
  injectUnsampled(context: TraceContext): Record<string, string> | undefined {
    try {
      const named = this.#api.trace.getSpanContext(context);
      if (named === undefined || (named.traceFlags & SAMPLED) !== 0) return undefined;
    } catch (error) {
      this.failed('trace.getSpanContext', error, undefined);
      return;
    }
    const headers = this.inject(context);
    // The propagator of the W3C writes it for valid ids only.
    return headers?.['traceparent'] === undefined ? undefined : headers;
  }

  /** The span that a context names, if it names one. */
  spanIn(context: TraceContext): SpanContext | undefined {
    try {
      const found = this.#api.trace.getSpanContext(context);
      return found !== undefined && this.#api.trace.isSpanContextValid(found) ? found : undefined;
    } catch (error) {
      this.failed('trace.getSpanContext', error, undefined);
      return;
    }
  }

  /**
   * True if the sampler records no span below a trace that is not recorded, as W3C flags ask. Then such events need not
   * ask it. It is asked once, with a trace id that samplers by ratio record first.
   */
  skipsUnsampled(name: string, options: SpanOptions): boolean {
    if (!this.isW3C) return false;
    const span = this.start(name, options, this.extract({ traceparent: UNRECORDED }));
    return span !== undefined && !this.isRecording(span);
  }

  start(name: string, options: SpanOptions, context: TraceContext): Span | undefined {
    try {
      const span: unknown = this.parts.tracer.startSpan(name, options, context);
      if (typeof span === 'object' && span !== null) return span as Span;
      throw new TypeError('startSpan gave no span');
    } catch (error) {
      this.failed('tracer.startSpan', error, undefined);
      return;
    }
  }

  isRecording(span: Span): boolean {
    try {
      return span.isRecording();
    } catch (error) {
      return this.failed('span.isRecording', error, false);
    }
  }

  withSpan(context: TraceContext, span: Span): TraceContext {
    try {
      return this.#api.trace.setSpan(context, span);
    } catch (error) {
      return this.failed('trace.setSpan', error, context);
    }
  }

  /** Says something about a span, and ends it if asked to. */
  tell(span: Span, say: (span: Span) => unknown): void {
    try {
      muteRejection(say(span));
    } catch (error) {
      this.failed('a span', error, undefined);
    }
  }

  /**
   * Calls the method of `self` in the context, exactly once, no matter what the context manager does. The method must
   * not throw.
   */
  within<S, A, R>(context: TraceContext, method: (this: S, argument: A) => R, self: S, argument: A): R {
    let result: R | undefined;
    let hasRun = false;
    const run = (): void => {
      if (hasRun) return;
      hasRun = true;
      result = method.call(self, argument);
    };
    try {
      this.#api.context.with(context, run);
    } catch (error) {
      this.failed('context.with', error, undefined);
    }
    run();
    return result as R;
  }

  failed<T>(call: string, error: unknown, otherwise: T): T {
    if (!this.#hasFailed) {
      this.#hasFailed = true;
      this.parts.log.write(
        'tracer-failed',
        errorFields(error),
        `expected a tracer that does not throw, found that ${call} throws ${describeError(error)}; ` +
          'spans are missing until it is fixed, events are not affected (said once)',
        error,
      );
    }
    return otherwise;
  }

  /** Without them traces end where an event begins, in silence. */
  #checkSurroundings(fields: readonly string[]): void {
    const missing: string[] = [];
    try {
      const marked = this.#marked();
      if (this.#api.context.with(marked, () => this.#api.context.active()) !== marked)
        missing.push('a context manager');
      if (fields.length === 0) missing.push('a propagator');
    } catch (error) {
      this.failed('the OpenTelemetry API', error, undefined);
    }
    if (missing.length === 0) return;
    this.parts.log.write(
      'tracing-incomplete',
      { why: `without ${missing.join(' and ')}` },
      `expected ${missing.join(' and ')} because option tracing is set, found none; traces do not reach handlers or do ` +
        'not travel with events: start the OpenTelemetry SDK before the application, as docs/tracing.md shows',
    );
  }

  #fields(): string[] {
    try {
      return this.#propagator.fields();
    } catch (error) {
      return this.failed('propagator.fields', error, []);
    }
  }

  #marked(): TraceContext {
    const root = this.#api.ROOT_CONTEXT as { setValue(key: symbol, value: unknown): TraceContext };
    return root.setValue(this.#api.createContextKey('aggregate-transport'), true);
  }
}
