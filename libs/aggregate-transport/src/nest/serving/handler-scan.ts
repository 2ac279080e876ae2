import { types } from 'node:util';
import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { AggregateTransportError } from '../../errors.js';
import { noTopicError } from '../../message/topic.js';
import {
  adoptEventPattern,
  type HandlerExtras,
  secondPatternError,
} from '../handling/aggregate-handler.decorator.js';
import { watchPipeline } from '../handling/attempt-trace.js';
import { AGGREGATE_TRANSPORT } from '../tokens.js';

/** What Nest's pattern decorators leave on a method. */
const PATTERN = 'microservices:pattern';
const TRANSPORT = 'microservices:transport';
export const EXTRAS = 'microservices:pattern_extras';
const KIND = 'microservices:handler_type';
/** The kind of an `EventPattern`; a `MessagePattern` has another. */
const EVENT = 2;

type Wrapper = ReturnType<DiscoveryService['getProviders']>[number];

interface Method {
  readonly where: string;
  readonly patterns: readonly string[];
  readonly transport: unknown;
  /** True if it carries our decorator. */
  readonly marked: boolean;
  /** True if another pattern decorator, applied after ours, has replaced what ours left. */
  readonly replaced: boolean;
  readonly watch: () => void;
  /** A bare `EventPattern` of our transport. */
  readonly isBare: boolean;
  readonly adopt: () => void;
  /** Patterns of an `EventPattern` of our transport that are no text. */
  readonly unnamed: readonly unknown[];
}

/** Looks at the application's classes for what Nest does not tell a transport about its handlers. */
@Injectable()
export class HandlerScan {
  #ours: Set<string> | undefined;

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
  ) {}

  /**
   * Adds our guard and filter to each handler, after its own. A bare `EventPattern` of our transport becomes a handler
   * as any other. Call before Nest builds the pipelines.
   */
  watch(): void {
    for (const { isBare, adopt } of this.#inControllers()) if (isBare) adopt();
    for (const { watch } of this.#inControllers()) watch();
  }

  /** The handlers of all controllers, as `Class.method`. */
  handlers(): string[] {
    return this.#inControllers()
      .filter(({ marked }) => marked)
      .map(({ where }) => where);
  }

  /** True if a message handler names our transport for this pattern. */
  isOurs(pattern: string): boolean {
    this.#ours ??= new Set(
      this.#inControllers()
        .filter(({ transport, marked }) => transport === AGGREGATE_TRANSPORT && !marked)
        .flatMap(({ patterns }) => patterns),
    );
    return this.#ours.has(pattern);
  }

  /**
   * Finds the handlers that would silently get no event, or not those of their topic.
   * @throws HANDLER_MISPLACED for a handler on a class that is no controller: Nest never looks there
   * @throws OPTIONS_INVALID for a handler below another pattern decorator, and for an `EventPattern` without a topic
   */
  check(): void {
    const controllers = new Set(this.discovery.getControllers().map(classOf));
    const providers = new Set(this.discovery.getProviders().map(classOf));
    const others = [...providers].filter((found) => !controllers.has(found));
    const misplaced = this.#methodsOf(others).find(({ marked }) => marked);
    if (misplaced !== undefined) {
      throw new AggregateTransportError(
        'HANDLER_MISPLACED',
        `expected @AggregateHandler in a controller, found it on provider ${misplaced.where}, where Nest registers no handlers; ` +
          'move the method to a class listed in controllers',
      );
    }
    const unnamed = this.#methodsOf(controllers).find((method) => method.unnamed.length > 0);
    if (unnamed !== undefined) {
      const expected = `@EventPattern on ${unnamed.where} to be given a topic's name`;
      throw noTopicError(expected, unnamed.unnamed[0], 'use @AggregateHandler, or the name of the topic');
    }
    const replaced = this.#methodsOf(controllers).find((method) => method.replaced);
    if (replaced !== undefined) throw secondPatternError(replaced.where);
  }

  #inControllers(): Method[] {
    return this.#methodsOf(this.discovery.getControllers().map(classOf));
  }

  #methodsOf(classes: Iterable<unknown>): Method[] {
    return [...classes].flatMap((metatype) => {
      if (typeof metatype !== 'function' || typeof metatype.prototype !== 'object') return [];
      const prototype = metatype.prototype as Record<string, unknown>;
      return this.scanner.getAllMethodNames(prototype).flatMap((name) => {
        const method = prototype[name];
        if (typeof method !== 'function') return [];
        const patterns = Reflect.getMetadata(PATTERN, method) as unknown[] | undefined;
        if (patterns === undefined) return [];
        const extras = Reflect.getMetadata(EXTRAS, method) as Partial<HandlerExtras> | undefined;
        const transport = Reflect.getMetadata(TRANSPORT, method) as unknown;
        const ours = extras?.aggregateHandler;
        const isEvent = Reflect.getMetadata(KIND, method) === EVENT;
        const names = patterns.map(String);
        const isOurEvent = isEvent && transport === AGGREGATE_TRANSPORT;
        return [
          {
            where: `${metatype.name}.${name}`,
            patterns: names,
            transport,
            marked: ours !== undefined,
            replaced: extras !== undefined && wasReplaced(extras, { patterns, transport, isEvent }),
            watch: () => {
              if (extras?.witness !== undefined) watchPipeline(prototype, name, method, extras.witness);
            },
            isBare: isOurEvent && ours === undefined,
            unnamed: isOurEvent ? patterns.filter((pattern) => typeof pattern !== 'string') : [],
            adopt: () => {
              adoptEventPattern(prototype, name, names);
            },
          },
        ];
      });
    });
  }
}

interface Pattern {
  readonly patterns: readonly unknown[];
  readonly transport: unknown;
  readonly isEvent: boolean;
}

/** True if another pattern decorator has replaced what ours left. */
function wasReplaced(
  { aggregateHandler: ours, isAdopted }: Partial<HandlerExtras>,
  { patterns, transport, isEvent }: Pattern,
): boolean {
  if (ours === undefined || isAdopted === true) return false;
  const isOurs = transport === AGGREGATE_TRANSPORT && isEvent;
  return !isOurs || patterns.length !== 1 || patterns[0] !== ours.topic;
}

/**
 * The class behind a wrapper; for a value, or what a factory made, the class of that. It only looks: nothing is made
 * for it per request, and no getter runs. A proxy is not asked, because it may make its target at the first touch.
 */
function classOf(wrapper: Wrapper): unknown {
  if (!wrapper.isNotMetatype) return wrapper.metatype;
  const instance: unknown = wrapper.instance;
  if (typeof instance !== 'object' || instance === null || types.isProxy(instance)) return undefined;
  const prototype: unknown = Object.getPrototypeOf(instance);
  if (prototype === null || types.isProxy(prototype)) return undefined;
  return Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
}
