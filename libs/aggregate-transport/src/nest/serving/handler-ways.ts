import { Inject, Injectable, Logger } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { isOfTrace, originalOf } from '../handling/attempt-trace.js';
import type { ErrorWitness } from '../handling/error-witness.js';
import { nestLog } from '../nest-log.js';
import { TopicLinks } from '../../transport/open-topics.js';
import { GlobalEnhancers } from './global-enhancers.js';
import { EXTRAS } from './handler-scan.js';
import { type Parameter, type PlainMethod, sourcesOf } from './plain-method.js';

type Wrapper = ReturnType<DiscoveryService['getControllers']>[number];

/** A controller's method that carries a decorator of ours. */
interface Claim {
  readonly wrapper: Wrapper;
  readonly metatype: object & { readonly name: string };
  readonly name: string;
  readonly method: object;
}

/** Nest's metadata of parameters, on the class, per method. */
const PARAMETERS = '__routeArguments__';
/** Nest's metadata of enhancers, on class and method. */
const ENHANCERS = {
  guard: '__guards__',
  interceptor: '__interceptors__',
  pipe: '__pipes__',
  filter: '__exceptionFilters__',
} as const;

/**
 * Tells which handlers can be called directly, because Nest's pipeline would do nothing but call them. Asked while Nest
 * registers the handlers: then it has just read all of this itself, and what is added later it ignores, too.
 */
@Injectable()
export class HandlerWays {
  readonly #log = nestLog(new Logger('AggregateServer'));

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
    @Inject(GlobalEnhancers) private readonly globals: GlobalEnhancers,
    @Inject(TopicLinks) private readonly links: TopicLinks,
  ) {}

  /** The method to call directly; undefined if the handler's events go through Nest. Says which, and why. */
  choose(topic: string, witness: ErrorWitness): PlainMethod | undefined {
    const claims = this.#claimsOf(witness);
    const [claim] = claims;
    if (claim === undefined) return undefined;
    const found =
      claims.length > 1
        ? 'several controllers have this method'
        : (this.#globalReason(topic) ?? plainMethodOf(claim, witness));
    const handler = `handler ${claim.metatype.name}.${claim.name} of topic "${topic}"`;
    if (typeof found !== 'string') {
      this.#log.debug(`${handler} is called directly: Nest's pipeline has nothing to do for it`);
      return found;
    }
    this.#log.debug(`${handler} is called through Nest: ${found}`);
    return undefined;
  }

  /** What keeps every handler from being called directly. */
  #globalReason(topic: string): string | undefined {
    if (this.links.options.topics.get(topic)?.consume.directCalls === 'never')
      return 'consume.directCalls is "never"';
    return this.globals.found();
  }

  #claimsOf(witness: ErrorWitness): Claim[] {
    return this.discovery.getControllers().flatMap((wrapper): Claim[] => {
      const metatype: unknown = wrapper.metatype;
      if (typeof metatype !== 'function' || typeof metatype.prototype !== 'object') return [];
      const prototype = metatype.prototype as Record<string, unknown>;
      return this.scanner.getAllMethodNames(prototype).flatMap((name) => {
        const method = prototype[name];
        if (typeof method !== 'function') return [];
        const extras = Reflect.getMetadata(EXTRAS, method) as { witness?: unknown } | undefined;
        return extras?.witness === witness ? [{ wrapper, metatype, name, method }] : [];
      });
    });
  }
}

/** The method that a claim is for, or why it needs Nest. */
function plainMethodOf(
  { wrapper, metatype, name, method }: Claim,
  witness: ErrorWitness,
): PlainMethod | string {
  if (!wrapper.isDependencyTreeStatic()) return 'its controller is made for each event';
  const { instance } = wrapper as { instance: object };
  const original = originalOf((instance as Record<string, object>)[name] ?? method);
  if (original === undefined) return 'its method was wrapped after @AggregateHandler';
  for (const [kind, key] of Object.entries(ENHANCERS)) {
    if (hasEnhancer(metatype, key, witness)) return `its class has a ${kind}`;
    if (hasEnhancer(method, key, witness)) return `it has a ${kind}`;
  }
  const parameters = Reflect.getMetadata(PARAMETERS, metatype, name) as Record<string, Parameter> | undefined;
  const sources = sourcesOf(parameters ?? {}, witness);
  if (typeof sources === 'number') return `Nest fills its parameter ${sources + 1}`;
  // As many arguments as Nest passes: the method may look at their number.
  while (sources.length < original.length) sources.push(undefined);
  return { instance, method: original, sources };
}

function hasEnhancer(target: object, key: string, witness: ErrorWitness): boolean {
  const enhancers = (Reflect.getMetadata(key, target) ?? []) as unknown[];
  return enhancers.some((one) => !isOfTrace(one, witness));
}
