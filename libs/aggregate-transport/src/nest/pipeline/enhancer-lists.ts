import type { ErrorWitness } from '../handling/error-witness.js';
import { isOfTrace } from '../handling/attempt-trace.js';

/** What Nest's metadata and configuration list: an object, or a class whose instance Nest holds. */
export type Listed = unknown;

/** The classes of a module's enhancers, and what Nest has made of them. */
export type Injectables = ReadonlyMap<unknown, Injectable>;

interface Injectable {
  readonly instance: unknown;
  readonly isTransient: boolean;
  isDependencyTreeStatic(): boolean;
}

/** An enhancer that is made for each event, or that only Nest can find. */
export class NotStaticError extends Error {}

/** Nest's kinds of enhancers. */
export const KINDS = {
  guard: { metadata: '__guards__', method: 'canActivate' },
  interceptor: { metadata: '__interceptors__', method: 'intercept' },
  pipe: { metadata: '__pipes__', method: 'transform' },
  filter: { metadata: '__exceptionFilters__', method: 'catch' },
} as const;
export type Kind = keyof typeof KINDS;

/**
 * Makes of a list what Nest makes of it for every event. An object that has the method is called itself, and a class
 * stands for its instance. Nest leaves out anything else. What we have put there ourselves is left out, too.
 * @throws NotStaticError for a class whose instance is not the same for all events, or not to be found
 */
export function instancesOf<T extends object>(
  kind: Kind,
  listed: readonly Listed[],
  injectables: Injectables,
  witness: ErrorWitness,
): T[] {
  return listed.flatMap((one): T[] => {
    if (isOfTrace(one, witness)) return [];
    if (typeof one === 'function') return [instanceOf(kind, one, injectables) as T];
    return hasMethod(kind, one) ? [one as T] : [];
  });
}

function instanceOf(kind: Kind, one: { readonly name: string }, injectables: Injectables): object {
  const injectable = injectables.get(one);
  if (injectable === undefined)
    throw new NotStaticError(`the module has no instance of its ${kind} ${one.name}`);
  if (injectable.isTransient || !injectable.isDependencyTreeStatic())
    throw new NotStaticError(`its ${kind} ${one.name} is made for each event`);
  const { instance } = injectable;
  if (!hasMethod(kind, instance)) throw new NotStaticError(`its ${kind} ${one.name} has a static method`);
  return instance;
}

function hasMethod(kind: Kind, one: unknown): one is object {
  const { method } = KINDS[kind];
  return (
    typeof one === 'object' && one !== null && typeof (one as Record<string, unknown>)[method] === 'function'
  );
}
