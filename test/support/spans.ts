import { context, propagation, ROOT_CONTEXT, trace, type Tracer } from '@opentelemetry/api';
import {
  AlwaysOnSampler,
  InMemorySpanExporter,
  NodeTracerProvider,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { eventually } from './eventually.js';

/** The real SDK, with spans kept in memory. */
export class Spans {
  readonly #exporter = new InMemorySpanExporter();
  readonly #provider: NodeTracerProvider;
  readonly tracer: Tracer;

  constructor(sampler: Sampler = new ParentBasedSampler({ root: new AlwaysOnSampler() })) {
    this.#provider = new NodeTracerProvider({
      sampler,
      spanProcessors: [new SimpleSpanProcessor(this.#exporter)],
    });
    this.#provider.register();
    this.tracer = this.#provider.getTracer('test');
  }

  get all(): ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  named(name: string): ReadableSpan[] {
    return this.all.filter((span) => span.name === name);
  }

  /** Waits for so many ended spans of this name. In the order of their ends. */
  async ended(name: string, count = 1): Promise<ReadableSpan[]> {
    await eventually(`${count} spans "${name}"`, () => this.named(name).length >= count);
    return this.named(name);
  }

  /** Runs within a span of the caller, which it answers. */
  async inside<T>(name: string, run: () => Promise<T>): Promise<{ span: ReadableSpan; result: T }> {
    const span = this.tracer.startSpan(name, {}, ROOT_CONTEXT);
    const result = await context.with(trace.setSpan(context.active(), span), run);
    span.end();
    const ended = this.named(name).at(-1);
    return { span: ended ?? (span as unknown as ReadableSpan), result };
  }

  reset(): void {
    this.#exporter.reset();
  }

  async close(): Promise<void> {
    await this.#provider.shutdown();
    trace.disable();
    context.disable();
    propagation.disable();
  }
}

export const traceIdOf = (span: ReadableSpan | undefined): string | undefined => span?.spanContext().traceId;
export const spanIdOf = (span: ReadableSpan | undefined): string | undefined => span?.spanContext().spanId;
export const linksOf = (span: ReadableSpan | undefined): string[] =>
  (span?.links ?? []).map(({ context: linked }) => linked.spanId);
