import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { type HandlerMethod, originalOf } from '../handling/attempt-trace.js';
import type { ErrorWitness } from '../handling/error-witness.js';
import { nestLog } from '../nest-log.js';
import { TopicLinks } from '../../transport/open-topics.js';
import { hasEnhancers, makePipeline } from '../pipeline/make-pipeline.js';
import { type DirectWay, PlainCall } from './direct-call.js';
import { GlobalEnhancers, type Globals } from './global-enhancers.js';
import { EXTRAS } from './handler-scan.js';
import { type Parameter, type Source, sourcesOf } from './plain-method.js';

type Wrapper = ReturnType<DiscoveryService['getControllers']>[number];

/** A controller's method that carries a decorator of ours. */
interface Claim {
  readonly wrapper: Wrapper;
  readonly metatype: object & { readonly name: string };
  readonly name: string;
  readonly method: HandlerMethod;
}

/** Nest's metadata of parameters, on the class, per method. */
const PARAMETERS = '__routeArguments__';

/**
 * Tells which handlers can be called without Nest. For some its pipeline would do nothing but call them. Others have
 * enhancers, which are the same for all events. Asked while Nest registers the handlers: then it has just read all of
 * this itself, and what is added later it ignores, too.
 */
@Injectable()
export class HandlerWays {
  readonly #log = nestLog('AggregateServer');

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
    @Inject(GlobalEnhancers) private readonly globals: GlobalEnhancers,
    @Inject(TopicLinks) private readonly links: TopicLinks,
  ) {}

  /** The way to call the handler directly; undefined if its events go through Nest. Says which, and why. */
  choose(topic: string, witness: ErrorWitness): DirectWay | undefined {
    const claims = this.#claimsOf(witness);
    const [claim] = claims;
    if (claim === undefined) return undefined;
    const found =
      claims.length > 1 ? 'several controllers have this method' : this.#wayOf(topic, claim, witness);
    const handler = `handler ${claim.metatype.name}.${claim.name} of topic "${topic}"`;
    if (typeof found === 'string') {
      const text = `${handler} is called through Nest: ${found}`;
      this.#log.write('handler-bound', { topic, handler, why: found }, text);
      return undefined;
    }
    const why =
      found instanceof PlainCall
        ? "Nest's pipeline has nothing to do for it"
        : 'its pipeline is the same for all events';
    this.#log.write('handler-bound', { topic, handler, why }, `${handler} is called directly: ${why}`);
    return found;
  }

  #wayOf(topic: string, claim: Claim, witness: ErrorWitness): DirectWay | string {
    if (this.links.options.topics.get(topic)?.consume.directCalls === 'never')
      return 'consume.directCalls is "never"';
    const globals = this.globals.find();
    return typeof globals === 'string' ? globals : wayOf(claim, globals, witness);
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
        return extras?.witness === witness
          ? [{ wrapper, metatype, name, method: method as HandlerMethod }]
          : [];
      });
    });
  }
}

/** The way of a claim, or why it needs Nest. */
function wayOf(
  { wrapper, metatype, name, method }: Claim,
  globals: Globals,
  witness: ErrorWitness,
): DirectWay | string {
  const { host } = wrapper;
  if (host === undefined || !wrapper.isDependencyTreeStatic()) return 'its controller is made for each event';
  const { instance } = wrapper as { instance: object };
  if (instance.constructor !== metatype) return 'its instance is of another class';
  const called = (instance as Partial<Record<string, HandlerMethod>>)[name] ?? method;
  const original = originalOf(called);
  if (original === undefined) return 'its method was wrapped after @AggregateHandler';
  const source = {
    instance,
    metatype,
    name,
    method: called,
    injectables: host.injectables,
    witness,
    globals,
  };
  const sources = hasEnhancers(source) ? undefined : plainSourcesOf(metatype, name, witness);
  if (sources === undefined) return makePipeline(source);
  // As many arguments as Nest passes: the method may look at their number.
  while (sources.length < original.length) sources.push(undefined);
  return new PlainCall({ instance, method: original, sources });
}

/** What fills the parameters, if no code of the service does. */
function plainSourcesOf(metatype: object, name: string, witness: ErrorWitness): Source[] | undefined {
  const parameters = Reflect.getMetadata(PARAMETERS, metatype, name) as Record<string, Parameter> | undefined;
  return sourcesOf(parameters ?? {}, witness);
}
