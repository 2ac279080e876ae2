import {
  ConfigurableModuleBuilder,
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import {
  type AggregatePublisher,
  AggregateTransportModule,
  AggregateTransportStatus,
  getAggregatePublisherToken,
  ParkedAggregates,
  type TopicRef,
} from 'nestjs-aggregate-transport';
import { AggregatePostgresError } from '../errors.js';
import { errorFields } from '../log.js';
import type { AggregatePostgresOptions } from '../options/options.js';
import { resolveOptions, topicNames } from '../options/resolve-options.js';
import { Inbox } from '../inbox/inbox.js';
import { type EventChecker, Outbox } from '../outbox/outbox.js';
import { AggregatePostgresHealthIndicator } from './aggregate-postgres-health.indicator.js';
import { AggregatePostgresStatus } from './aggregate-postgres-status.js';
import { OutboxRelays } from './outbox-relays.js';
import { nestLog } from './nest-log.js';
import { PostgresLink } from './postgres-link.js';
import { TransportSettled } from './settled-topics.js';
import { AGGREGATE_POSTGRES_OPTIONS, getOutboxToken } from './tokens.js';

/** What a module has to know before its options are there. */
interface Extras {
  readonly isGlobal?: boolean;
  /** Those of `outbox.topics`, for `forRootAsync`: Nest must know them before it asks for options. */
  readonly outboxTopics?: readonly TopicRef[];
}

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<AggregatePostgresOptions>({
  optionsInjectionToken: AGGREGATE_POSTGRES_OPTIONS,
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createAggregatePostgresOptions')
  .setExtras<Extras>({ isGlobal: true, outboxTopics: [] }, withOutboxes)
  .build();

/**
 * Outbox and inbox as a Nest module: `forRoot` or `forRootAsync` once, beside `AggregateTransportModule.forRoot`. The
 * database is checked when the application initialises. So a missing table, tables of another release or missing
 * rights end the start-up with a clear error.
 */
@Module({
  providers: [
    {
      provide: PostgresLink,
      inject: [AGGREGATE_POSTGRES_OPTIONS, ModulesContainer],
      useFactory: (options: AggregatePostgresOptions, modules: ModulesContainer) => {
        requireOnce(modules);
        const log = nestLog('AggregatePostgres');
        return PostgresLink.open(resolveOptions(options), (error) =>
          log.write(
            'postgres-connection-lost',
            errorFields(error),
            `a connection to PostgreSQL was lost: ${error.message}; the pool makes another one`,
          ),
        );
      },
    },
    {
      provide: Inbox,
      inject: [PostgresLink, AggregateTransportStatus, ParkedAggregates],
      useFactory: (
        { database, names, options: { inbox: isOn } }: PostgresLink,
        status: AggregateTransportStatus,
        parked: ParkedAggregates,
      ) => {
        const settled = new TransportSettled(status, parked);
        return new Inbox({ database, names, isOn, settled, wallNow: () => Date.now() });
      },
    },
  ],
  exports: [PostgresLink, Inbox],
})
export class AggregatePostgresModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationShutdown
{
  constructor(@Inject(PostgresLink) private readonly link: PostgresLink) {
    super();
  }

  /**
   * Takes options that are known when the module is declared. Each topic of the outbox can be injected.
   * @throws POSTGRES_OPTIONS_INVALID for a topic that is none; other options are checked at start-up
   */
  static override forRoot(options: AggregatePostgresOptions & Extras): DynamicModule {
    const outboxTopics = options.outbox?.topics ?? [];
    // Their definitions are handed on: they say what a payload must be.
    topicNames(outboxTopics);
    return super.forRoot({ outboxTopics, ...options });
  }

  /** A start that fails leaves no connection behind: the process can end by itself. */
  async onModuleInit(): Promise<void> {
    try {
      await this.link.check();
    } catch (error) {
      await this.link.close();
      throw error;
    }
  }

  /** Last of all: what uses the database has stopped in an earlier hook. */
  async onApplicationShutdown(): Promise<void> {
    await this.link.close();
  }
}

/** Adds an outbox for each topic, on the topic's own publisher: it checks events as that does. */
function withOutboxes(definition: DynamicModule, { isGlobal, outboxTopics = [] }: Extras): DynamicModule {
  const topics = topicNames(outboxTopics, 'outboxTopics');
  const outboxes = topics.map(outboxProvider);
  return {
    ...definition,
    global: isGlobal ?? true,
    imports: [...(definition.imports ?? []), AggregateTransportModule.forFeature(outboxTopics)],
    providers: [...(definition.providers ?? []), ...outboxes, relaysProvider(topics), ...OBSERVERS],
    exports: [...(definition.exports ?? []), ...topics.map(getOutboxToken), ...OBSERVERS],
  };
}

function outboxProvider(topic: string): Provider {
  return {
    provide: getOutboxToken(topic),
    inject: [PostgresLink, getAggregatePublisherToken(topic)],
    useFactory: ({ names, options: { outbox } }: PostgresLink, checker: EventChecker) => {
      if (outbox?.topics.includes(topic) !== true) throw notInOptions(topic);
      return new Outbox({ topic, names, checker, notify: outbox.notify });
    },
  };
}

/** Who looks at the outbox. */
const OBSERVERS = [AggregatePostgresStatus, AggregatePostgresHealthIndicator];

function relaysProvider(topics: readonly string[]): Provider {
  return {
    provide: OutboxRelays,
    inject: [PostgresLink, ...topics.map(getAggregatePublisherToken)],
    useFactory: (link: PostgresLink, ...publishers: AggregatePublisher[]) =>
      new OutboxRelays(link, publishers),
  };
}

function notInOptions(topic: string): AggregatePostgresError {
  return new AggregatePostgresError(
    'POSTGRES_OPTIONS_INVALID',
    `expected outbox.topics of the options to name "${topic}", as outboxTopics of forRootAsync does, found it without; ` +
      'name the same topics in both',
  );
}

/**
 * Two of them would each have outboxes of their own, and an injected one would be either.
 * @throws POSTGRES_OPTIONS_INVALID
 */
function requireOnce(modules: ModulesContainer): void {
  const count = [...modules.values()].filter(({ metatype }) => metatype === AggregatePostgresModule).length;
  if (count === 1) return;
  throw new AggregatePostgresError(
    'POSTGRES_OPTIONS_INVALID',
    `expected AggregatePostgresModule.forRoot (or forRootAsync) once in an application, found it ${count} times; ` +
      'name all topics in one call, in the root module',
  );
}
