import 'reflect-metadata';
import { type DynamicModule, type Type } from '@nestjs/common';
import { MetadataScanner, ModulesContainer, NestFactory } from '@nestjs/core';
import type {
  ApplicationFacts,
  BodyFormat,
  GroupFacts,
  TopicFacts,
  TypeFacts,
} from '../../documents/application-facts.js';
import { AggregateTransportError, describeError } from '../../errors.js';
import { formatOf } from '../../message/codec.js';
import { shapesOf } from '../../message/shapes/topic-shapes.js';
import { type TopicRef, topicNameOf } from '../../message/topic.js';
import type { AggregateTransportOptions, TopicOptions } from '../../transport/options.js';
import type { HandlerExtras } from '../handling/aggregate-handler.decorator.js';
import { EXTRAS } from '../serving/handler-scan.js';
import { AGGREGATE_TRANSPORT, AGGREGATE_TRANSPORT_OPTIONS, publishedTopicOf } from '../tokens.js';

/** What Nest's pattern decorators leave on a method. */
const PATTERN = 'microservices:pattern';
const TRANSPORT = 'microservices:transport';

/** A handler as its decorator left it. */
interface FoundHandler {
  readonly where: string;
  readonly topic: TopicRef;
  readonly group: string | undefined;
  /** Undefined for every other type. */
  readonly types: readonly string[] | undefined;
}

export interface ScanOptions {
  /** The group of handlers that name none, where the module's options cannot be read. */
  readonly group: string | undefined;
}

/**
 * Reads what an application says of its topics, in Nest's preview mode: nothing of it is constructed, no factory is
 * called and nothing connects. So options of `forRootAsync` stay unknown.
 *
 * @throws OPTIONS_INVALID with Nest's own error as `cause` if the modules do not fit together
 */
export async function scanApplication(
  module: Type | DynamicModule,
  { group }: ScanOptions,
): Promise<ApplicationFacts> {
  const modules = await modulesOf(module);
  const options = optionsIn(modules);
  const facts = new TopicCollector(options, options?.group ?? group);
  for (const handler of handlersIn(modules)) facts.addHandler(handler);
  for (const topic of publishedIn(modules)) facts.addPublished(topic);
  return { topics: facts.topics(), hasOptions: options !== undefined };
}

async function modulesOf(module: Type | DynamicModule): Promise<ModulesContainer> {
  try {
    const options = { preview: true, abortOnError: false, logger: false } as const;
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest takes plain options
    const context = await NestFactory.createApplicationContext(module, options);
    const modules: ModulesContainer = context.get(ModulesContainer);
    return modules;
  } catch (cause) {
    throw new AggregateTransportError(
      'OPTIONS_INVALID',
      `expected modules that Nest can put together, found that it cannot: ${describeError(cause)}`,
      { cause },
    );
  }
}

function optionsIn(modules: ModulesContainer): AggregateTransportOptions | undefined {
  for (const { providers } of modules.values()) {
    const found: unknown = providers.get(AGGREGATE_TRANSPORT_OPTIONS)?.instance;
    if (typeof found === 'object' && found !== null && 'topics' in found)
      return found as AggregateTransportOptions;
  }
  return undefined;
}

function publishedIn(modules: ModulesContainer): TopicRef[] {
  const providers = [...modules.values()].flatMap((one) => [...one.providers.values()]);
  return providers.flatMap(({ metatype }) => publishedTopicOf(metatype) ?? []);
}

function handlersIn(modules: ModulesContainer): FoundHandler[] {
  const scanner = new MetadataScanner();
  const controllers = [...modules.values()].flatMap((one) => [...one.controllers.values()]);
  const classes = new Set(controllers.map(({ metatype }) => metatype));
  return [...classes].flatMap((metatype) => {
    if (typeof metatype !== 'function') return [];
    const prototype = metatype.prototype as Record<string, unknown>;
    return scanner
      .getAllMethodNames(prototype)
      .flatMap((name) => handlersOf(prototype[name], `${metatype.name}.${name}`));
  });
}

function handlersOf(method: unknown, where: string): FoundHandler[] {
  if (typeof method !== 'function' || Reflect.getMetadata(TRANSPORT, method) !== AGGREGATE_TRANSPORT)
    return [];
  const patterns = (Reflect.getMetadata(PATTERN, method) as unknown[] | undefined) ?? [];
  const extras = Reflect.getMetadata(EXTRAS, method) as Partial<HandlerExtras> | undefined;
  const { group, type } = extras?.aggregateHandler ?? {};
  const types = type === undefined ? undefined : [type].flat();
  return patterns.map((pattern) => ({
    ...{ where, group, types },
    topic: extras?.topicRef ?? String(pattern),
  }));
}

/** Puts together what options, handlers and publishers say of each topic. */
class TopicCollector {
  readonly #topics = new Map<string, CollectedTopic>();

  constructor(
    private readonly options: AggregateTransportOptions | undefined,
    private readonly group: string | undefined,
  ) {
    for (const name of Object.keys(options?.topics ?? {})) this.#topic(name);
  }

  addHandler({ where, topic, group = this.group, types }: FoundHandler): void {
    const found = this.#topic(topic);
    const known = found.groups.get(group) ?? { types: new Set(), handlers: [], others: false };
    for (const type of types ?? []) {
      known.types.add(type);
      if (!found.types.has(type)) found.types.set(type, { type, version: undefined, schema: undefined });
    }
    known.others ||= types === undefined;
    known.handlers.push(where);
    found.groups.set(group, known);
  }

  addPublished(topic: TopicRef): void {
    this.#topic(topic).isPublished = true;
  }

  topics(): TopicFacts[] {
    return [...this.#topics].map(([name, { types, groups, ...topic }]) => ({
      name,
      ...topic,
      types: [...types.values()],
      groups: [...groups].map(([group, known]): GroupFacts => ({ group, ...known, types: [...known.types] })),
      format: this.#formatOf(name),
    }));
  }

  #topic(topic: TopicRef): CollectedTopic {
    const name = topicNameOf(topic, 'asyncapi');
    const found = this.#topics.get(name) ?? newTopic();
    this.#topics.set(name, found);
    const definition = shapesOf(topic);
    if (definition !== undefined) {
      found.isComplete = true;
      for (const type of definition.types) found.types.set(type.type, type);
    }
    return found;
  }

  #formatOf(name: string): BodyFormat {
    const own: TopicOptions | undefined = this.options?.topics[name];
    const codec = own?.codec ?? this.options?.codec;
    return codec === undefined ? 'json' : (formatOf(codec) ?? 'other');
  }
}

interface CollectedTopic {
  readonly types: Map<string, TypeFacts>;
  isComplete: boolean;
  isPublished: boolean;
  readonly groups: Map<string | undefined, { types: Set<string>; handlers: string[]; others: boolean }>;
}

function newTopic(): CollectedTopic {
  return { types: new Map(), isComplete: false, isPublished: false, groups: new Map() };
}
