import {
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { AggregateClient } from '../nest/publishing/aggregate.client.js';
import { AggregateServer } from '../nest/serving/aggregate.server.js';
import { GlobalEnhancers } from '../nest/serving/global-enhancers.js';
import { HandlerScan } from '../nest/serving/handler-scan.js';
import { HandlerWays } from '../nest/serving/handler-ways.js';
import { nestLog } from '../nest/nest-log.js';
import type { AggregateTransportOptions } from '../transport/options.js';
import { OBSERVERS } from '../nest/operating/observers.js';
import { OPERATORS } from '../nest/operating/operators.js';
import { type ResolvedOptions, resolveOptions } from '../transport/resolve-options.js';
import { TopicLinks } from '../transport/open-topics.js';
import { TestingStreams } from './memory/testing-streams.js';

/**
 * Takes the place of `AggregateTransportModule.forRoot` in a test. It has the same publishers, server and lanes, on
 * streams in memory and on a clock that stands still until the test moves it. It needs no nats-server and no waiting.
 *
 * @example
 * const module = await Test.createTestingModule({
 *   imports: [AggregateTransportTestingModule.forRoot({ group: 'billing', topics: { orders: {} } })],
 *   controllers: [BillingController],
 * }).compile();
 */
@Module({})
export class AggregateTransportTestingModule implements OnModuleInit, OnApplicationShutdown {
  constructor(@Inject(TopicLinks) private readonly links: TopicLinks) {}

  /** Pass the `streams` of another module to test two services together, or one after its restart. */
  static forRoot(
    options: AggregateTransportOptions,
    streams: TestingStreams = new TestingStreams(),
  ): DynamicModule {
    const log = nestLog('AggregateTransport');
    return {
      module: AggregateTransportTestingModule,
      global: true,
      imports: [DiscoveryModule],
      providers: [
        { provide: TestingStreams, useValue: streams },
        {
          provide: TopicLinks,
          useFactory: () =>
            new TopicLinks(withoutPauses(resolveOptions(options)), streams.clock, log, streams),
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
      exports: [TestingStreams, TopicLinks, AggregateClient, AggregateServer, ...OPERATORS, ...OBSERVERS],
    };
  }

  /** Called by Nest: opens the topics in memory. */
  async onModuleInit(): Promise<void> {
    await this.links.openAll();
  }

  /** Called by Nest: closes the topics. The streams keep what they hold. */
  async onApplicationShutdown(): Promise<void> {
    await this.links.close();
  }
}

/** Positions are committed without a pause: the clock stands still, so a pause would never end. */
function withoutPauses(options: ResolvedOptions): ResolvedOptions {
  const topics = [...options.topics].map(([name, topic]) => {
    const consume = { ...topic.consume, commitEveryMs: 0 };
    return [name, { ...topic, consume }] as const;
  });
  return { ...options, topics: new Map(topics) };
}
