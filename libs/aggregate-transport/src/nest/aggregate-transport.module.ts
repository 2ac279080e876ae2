import {
  ConfigurableModuleBuilder,
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { DiscoveryModule, ModulesContainer } from '@nestjs/core';
import { systemClock } from '../clock.js';
import { AggregateTransportError } from '../errors.js';
import { noTopicError, type TopicRef, topicNameOf } from '../message/topic.js';
import { AggregateClient } from './publishing/aggregate.client.js';
import { AggregatePublisher } from './publishing/aggregate-publisher.js';
import { AggregateServer } from './serving/aggregate.server.js';
import { GlobalEnhancers } from './serving/global-enhancers.js';
import { HandlerScan } from './serving/handler-scan.js';
import { HandlerWays } from './serving/handler-ways.js';
import { nestLog } from './nest-log.js';
import type { AggregateTransportOptions } from '../transport/options.js';
import { OBSERVERS } from './operating/observers.js';
import { OPERATORS } from './operating/operators.js';
import { resolveOptions } from '../transport/resolve-options.js';
import { AGGREGATE_TRANSPORT_OPTIONS, forTopic, publisherToken } from './tokens.js';
import { TopicLinks, undeclaredError } from '../transport/open-topics.js';

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<AggregateTransportOptions>({
  optionsInjectionToken: AGGREGATE_TRANSPORT_OPTIONS,
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createAggregateTransportOptions')
  .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
  .build();

/**
 * The transport as a Nest module. `forRoot` or `forRootAsync` once, in the root module; `forFeature` wherever
 * publishers are injected. Topics are opened when the application initialises. So wrong options, a missing server or a
 * stream with other settings end the start-up with a clear error.
 */
@Module({
  imports: [DiscoveryModule],
  providers: [
    {
      provide: TopicLinks,
      inject: [AGGREGATE_TRANSPORT_OPTIONS, ModulesContainer],
      useFactory: (options: AggregateTransportOptions, modules: ModulesContainer) => {
        requireOnce(modules);
        return new TopicLinks(resolveOptions(options), systemClock, nestLog('AggregateTransport'));
      },
    },
    {
      provide: AggregateClient,
      inject: [TopicLinks],
      useFactory: (links: TopicLinks) => new AggregateClient(links),
    },
    HandlerScan,
    HandlerWays,
    GlobalEnhancers,
    AggregateServer,
    ...OPERATORS,
    ...OBSERVERS,
  ],
  exports: [TopicLinks, AggregateClient, AggregateServer, ...OPERATORS, ...OBSERVERS],
})
export class AggregateTransportModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationShutdown
{
  constructor(@Inject(TopicLinks) private readonly links: TopicLinks) {
    super();
  }

  /**
   * Publishers for these topics, injected by `@InjectAggregatePublisher(topic)`.
   * @throws OPTIONS_INVALID for what is no topic, such as one that a circular import leaves undefined
   */
  static forFeature(topics: readonly TopicRef[]): DynamicModule {
    const place = 'AggregateTransportModule.forFeature';
    if (!Array.isArray(topics)) throw noTopicError(`${place} to be given a list of topics`, topics);
    const named = (topics as readonly TopicRef[]).map((topic) => ({
      topic,
      name: topicNameOf(topic, place),
    }));
    const providers = named.map(({ topic, name }) => ({
      provide: publisherToken(name),
      inject: [TopicLinks],
      useFactory: forTopic((links: TopicLinks) => {
        links.declare(topic);
        if (!links.options.topics.has(name)) throw undeclaredError(name, links.options);
        return new AggregatePublisher(name, links);
      }, topic),
    }));
    return { module: AggregatePublishersModule, providers, exports: providers.map(({ provide }) => provide) };
  }

  /** A start that fails leaves no connection behind: the process can end by itself. */
  async onModuleInit(): Promise<void> {
    try {
      await this.links.openAll();
    } catch (error) {
      await this.links.close();
      throw error;
    }
  }

  /** Called by Nest: flushes publishers, then closes the connections. Settles within `shutdown.drainMs`. */
  async onApplicationShutdown(): Promise<void> {
    await this.links.close();
  }
}

/**
 * Two of them would each have publishers and handlers of their own, and an injected one would be either.
 * @throws OPTIONS_INVALID
 */
function requireOnce(modules: ModulesContainer): void {
  const count = [...modules.values()].filter(({ metatype }) => metatype === AggregateTransportModule).length;
  if (count === 1) return;
  throw new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected AggregateTransportModule.forRoot (or forRootAsync) once in an application, found it ${count} times; ` +
      'declare all topics in one call, in the root module, and import forFeature where publishers are injected',
  );
}

/** The publishers of one `forFeature` call. They hold no state: the root module's topics do. */
@Module({})
class AggregatePublishersModule {}
