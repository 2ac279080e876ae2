import type { AggregateContext } from '../handling/aggregate.context.js';
import { aggregateIdOfHost } from '../handling/aggregate-handler.decorator.js';
import { type HandlerMethod, isOfTrace } from '../handling/attempt-trace.js';
import type { ErrorWitness } from '../handling/error-witness.js';

/** What fills a parameter; undefined for one that no decorator stands before. */
export type Source = 'payload' | 'context' | 'aggregateId' | undefined;

/** A handler that Nest's pipeline would only pass arguments to. */
export interface PlainMethod {
  readonly instance: object;
  /** The method as it was written, without our wrapper. */
  readonly method: HandlerMethod;
  readonly sources: readonly Source[];
}

/** Nest's metadata of one decorated parameter. */
export interface Parameter {
  readonly index: number;
  readonly data?: unknown;
  readonly pipes?: readonly unknown[];
  readonly schema?: unknown;
  readonly factory?: unknown;
}

/** Nest's kinds of parameters, as `<kind>:<index>`. */
const PAYLOAD = '3:';
const CONTEXT = '6:';

/** What fills each parameter, from Nest's metadata; undefined if one has a pipe, or a factory of the service. */
export function sourcesOf(
  parameters: Readonly<Record<string, Parameter>>,
  witness: ErrorWitness,
): Source[] | undefined {
  const sources: Source[] = [];
  for (const [kind, parameter] of Object.entries(parameters)) {
    if (isOfTrace(parameter.factory, witness)) continue;
    const source = sourceOf(kind, parameter);
    if (source === undefined) return undefined;
    sources[parameter.index] = source;
  }
  return Array.from(sources);
}

function sourceOf(kind: string, { data, pipes = [], schema, factory }: Parameter): Source {
  if (data !== undefined || pipes.length > 0 || schema !== undefined) return undefined;
  if (factory !== undefined) return factory === aggregateIdOfHost ? 'aggregateId' : undefined;
  if (kind.startsWith(PAYLOAD)) return 'payload';
  return kind.startsWith(CONTEXT) ? 'context' : undefined;
}

/** Calls the method with what its parameters ask for. One or two of them make no list. */
export function callPlain({ instance, method, sources }: PlainMethod, context: AggregateContext): unknown {
  if (sources.length === 1) return method.call(instance, valueOf(sources[0], context));
  if (sources.length === 2)
    return method.call(instance, valueOf(sources[0], context), valueOf(sources[1], context));
  return method.apply(
    instance,
    sources.map((source) => valueOf(source, context)),
  );
}

function valueOf(source: Source, context: AggregateContext): unknown {
  switch (source) {
    case 'payload':
      return context.payload;
    case 'context':
      return context;
    case 'aggregateId':
      return context.aggregateId;
    case undefined:
      return undefined;
  }
}
