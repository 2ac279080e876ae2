import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { AggregateTransportError } from '../errors.js';
import type { HandlerExtras } from './aggregate-handler.decorator.js';
import { watchPipeline } from './attempt-trace.js';
import { AGGREGATE_TRANSPORT } from './tokens.js';

/** What Nest's pattern decorators leave on a method. */
const PATTERN = 'microservices:pattern';
const TRANSPORT = 'microservices:transport';
const EXTRAS = 'microservices:pattern_extras';

interface Method {
  readonly where: string;
  readonly patterns: readonly string[];
  readonly transport: unknown;
  readonly marked: boolean;
  readonly watch: () => void;
}

/** Looks at the application's classes for what Nest does not tell a transport about its handlers. */
@Injectable()
export class HandlerScan {
  #ours: Set<string> | undefined;

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
  ) {}

  /** Before Nest builds the handlers' pipelines: puts our ears behind the guards and filters of each. */
  watch(): void {
    for (const { watch } of this.#methodsOf(this.discovery.getControllers())) watch();
  }

  /** The handlers of all controllers, as `Class.method`. */
  handlers(): string[] {
    return this.#methodsOf(this.discovery.getControllers())
      .filter(({ marked }) => marked)
      .map(({ where }) => where);
  }

  /** True if a handler without our decorator names our transport for this pattern. */
  isOurs(pattern: string): boolean {
    this.#ours ??= new Set(
      this.#methodsOf(this.discovery.getControllers())
        .filter(({ transport, marked }) => transport === AGGREGATE_TRANSPORT && !marked)
        .flatMap(({ patterns }) => patterns),
    );
    return this.#ours.has(pattern);
  }

  /** @throws HANDLER_MISPLACED for a handler where Nest never looks: it would silently get no event */
  check(): void {
    const misplaced = this.#methodsOf(this.discovery.getProviders()).find(({ marked }) => marked);
    if (misplaced === undefined) return;
    throw new AggregateTransportError(
      'HANDLER_MISPLACED',
      `expected @AggregateHandler in a controller, found it on provider ${misplaced.where}, where Nest registers no handlers; ` +
        'move the method to a class listed in controllers',
    );
  }

  #methodsOf(wrappers: ReturnType<DiscoveryService['getControllers']>): Method[] {
    return wrappers.flatMap(({ metatype }) => {
      if (typeof metatype !== 'function' || typeof metatype.prototype !== 'object') return [];
      const prototype = metatype.prototype as Record<string, unknown>;
      return this.scanner.getAllMethodNames(prototype).flatMap((name) => {
        const method = prototype[name];
        if (typeof method !== 'function') return [];
        const patterns = Reflect.getMetadata(PATTERN, method) as unknown[] | undefined;
        if (patterns === undefined) return [];
        const extras = Reflect.getMetadata(EXTRAS, method) as Partial<HandlerExtras> | undefined;
        return [
          {
            where: `${metatype.name}.${name}`,
            patterns: patterns.map(String),
            transport: Reflect.getMetadata(TRANSPORT, method) as unknown,
            marked: extras?.aggregateHandler !== undefined,
            watch: () => {
              if (extras?.witness !== undefined) watchPipeline(prototype, name, method, extras.witness);
            },
          },
        ];
      });
    });
  }
}
