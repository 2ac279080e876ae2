import type { SpanContext, TraceContext } from './api.js';

/** A context of OpenTelemetry's API, as others read it. */
interface ReadableContext {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): TraceContext;
  deleteValue(key: symbol): TraceContext;
}

/** Reads what the headers of an event tell. */
export interface HeaderReader<E> {
  contextIn(event: E): TraceContext;
  spanIn(context: TraceContext): SpanContext | undefined;
}

/**
 * The context that an event's headers tell, read from them when it is first asked for. Most handlers of traces that are
 * not recorded never ask.
 */
export class HeaderContext<E> implements ReadableContext {
  #read: ReadableContext | undefined;

  constructor(
    private readonly reader: HeaderReader<E>,
    private readonly event: E,
  ) {}

  getValue(key: symbol): unknown {
    return this.#context.getValue(key);
  }

  setValue(key: symbol, value: unknown): TraceContext {
    return this.#context.setValue(key, value);
  }

  deleteValue(key: symbol): TraceContext {
    return this.#context.deleteValue(key);
  }

  get spanContext(): SpanContext | undefined {
    return this.reader.spanIn(this.#context);
  }

  get #context(): ReadableContext {
    return (this.#read ??= this.reader.contextIn(this.event) as ReadableContext);
  }
}
