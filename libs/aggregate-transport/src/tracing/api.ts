import type { NamedSpan } from '../traceparent.js';

/** What a span says, by name. */
export type SpanAttributes = Record<string, string | number | boolean>;

/** Names a span, in this process or another one. */
export type SpanContext = NamedSpan;

export interface SpanLink {
  readonly context: SpanContext;
}

export interface SpanOptions {
  kind?: number;
  attributes?: SpanAttributes;
  links?: SpanLink[];
  /** It is no child of the span in the context, and keeps the rest of the context. */
  root?: boolean;
}

export interface Span {
  spanContext(): SpanContext;
  isRecording(): boolean;
  setAttribute(name: string, value: string | number | boolean): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  recordException(exception: { name?: string; message: string; stack?: string }): void;
  addLink(link: SpanLink): unknown;
  end(): void;
}

/** What travels with a call: its span and its baggage. Nothing here looks into it. */
export type TraceContext = object;

/** What we use of OpenTelemetry's `Tracer`, which `trace.getTracer('…')` of `@opentelemetry/api` gives. */
export interface Tracer {
  /** Starts a span; it is a child of the span in the context, if there is one. */
  startSpan(name: string, options?: SpanOptions, context?: TraceContext): Span;
}

/** Writes one header. */
export interface CarrierSetter {
  set(carrier: unknown, name: string, value: string): void;
}

/** Reads headers. */
export interface CarrierGetter {
  keys(carrier: unknown): string[];
  get(carrier: unknown, name: string): string | undefined;
}

/** What we use of OpenTelemetry's `TextMapPropagator`. */
export interface TracePropagator {
  /** Writes the context into headers of an event, one call of the setter each. */
  inject(context: TraceContext, carrier: unknown, setter: CarrierSetter): void;
  /** The context given, with what the headers of an event say. */
  extract(context: TraceContext, carrier: unknown, getter: CarrierGetter): TraceContext;
  /** Names of the headers that it writes. */
  fields(): string[];
}

/** What we use of the package `@opentelemetry/api`. It finds the application's own through a global registry. */
export interface OpenTelemetryApi {
  readonly ROOT_CONTEXT: TraceContext;
  readonly context: {
    active(): TraceContext;
    with<T>(context: TraceContext, run: () => T): T;
  };
  readonly trace: {
    setSpan(context: TraceContext, span: Span): TraceContext;
    getSpanContext(context: TraceContext): SpanContext | undefined;
    isSpanContextValid(context: SpanContext): boolean;
  };
  readonly propagation: TracePropagator;
  createContextKey(description: string): symbol;
}

/** The numbers of OpenTelemetry's `SpanKind` and `SpanStatusCode`, which are part of its API. */
export const PRODUCER = 3;
export const CONSUMER = 4;
export const STATUS_ERROR = 2;
/** The bit of `traceFlags` that says that a trace is recorded. */
export const SAMPLED = 1;
