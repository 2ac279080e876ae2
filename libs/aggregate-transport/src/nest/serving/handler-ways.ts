import { HttpAdapterHost, ApplicationConfig, DiscoveryService, MetadataScanner, ModulesContainer } from '@nestjs/core';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { isOfTrace, originalOf } from '../handling/attempt-trace.js';
import type { ErrorWitness } from '../handling/error-witness.js';
import { nestLog } from '../nest-log.js';
import { AGGREGATE_TRANSPORT } from '../tokens.js';
import { TopicLinks } from '../../transport/open-topics.js';
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
 *
 * A hybrid application that does not inherit gives its microservice an empty configuration of its own. Only if it also
 * defers the initialization can that one be filled, and it cannot be reached. So handlers of a deferred one go through
 * Nest: those that are not registered in the very turn in which their server was connected.
 */
@Injectable()
export class HandlerWays {
  readonly #log = nestLog(new Logger('AggregateServer'));
  /** True in the turn in which our server is connected. */
  #isConnecting = false;

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
    @Inject(ModulesContainer) modules: ModulesContainer,
    @Inject(TopicLinks) private readonly links: TopicLinks,
  ) {
    modules.getRpcTargetRegistry<{ transportId?: unknown }>().subscribe(({ transportId }) => {
      if (transportId !== AGGREGATE_TRANSPORT) return;
      this.#isConnecting = true;
      queueMicrotask(() => (this.#isConnecting = false));
    });
  }

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
    const kind = globalsOf(this.config).find(([, list]) => list.length > 0)?.[0];
    if (kind !== undefined) return `the application has a global ${kind}`;
    // Only an application with an HTTP adapter can be a hybrid one.
    const { httpAdapter } = this.http as { httpAdapter?: object | null };
    const isHybrid = httpAdapter !== undefined && httpAdapter !== null;
    if (isHybrid && !this.#isConnecting)
      return 'its microservice defers initialization, and may have global enhancers of its own';
    return undefined;
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

/** What stands in every pipeline that is built from this configuration. */
function globalsOf(config: ApplicationConfig): [string, readonly unknown[]][] {
  // Of Nest 12.
  const { getGlobalPreRequestHooks } = config as { getGlobalPreRequestHooks?: () => unknown[] };
  return [
    ['guard', [...config.getGlobalGuards(), ...config.getGlobalRequestGuards()]],
    ['interceptor', [...config.getGlobalInterceptors(), ...config.getGlobalRequestInterceptors()]],
    ['pipe', [...config.getGlobalPipes(), ...config.getGlobalRequestPipes()]],
    ['filter', [...config.getGlobalFilters(), ...config.getGlobalRequestFilters()]],
    ['pre-request hook', getGlobalPreRequestHooks?.call(config) ?? []],
  ];
}

/** The method that a claim is for, or why it needs Nest. */
function plainMethodOf({ wrapper, metatype, name, method }: Claim, witness: ErrorWitness): PlainMethod | string {
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
