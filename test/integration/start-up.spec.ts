import { describe, expect, test } from '@jest/globals';
import { Controller, Injectable, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, Transport } from '@nestjs/microservices';
import { AckPolicy, connect, type NatsConnection } from 'nats';
import {
  AGGREGATE_TRANSPORT,
  AggregateHandler,
  AggregateTransportModule,
  type AggregateTransportOptions,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { SAYS_ALL } from '../support/says-all.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();

function start(
  options: Partial<AggregateTransportOptions>,
  controllers?: Type[],
  providers: Type[] = [],
): ReturnType<typeof startApp> {
  return startApp({
    options: { servers: server().url, group: 'start', topics: { start: {} }, ...options },
    ...(controllers === undefined ? {} : { controllers }),
    providers,
  });
}

@Controller()
class Handler {
  @AggregateHandler('start', { type: 'A' })
  handle() {}
}

describe('a mistake in the wiring ends the start-up, named', () => {
  @Controller()
  class SameType {
    @AggregateHandler('start', { type: 'A' })
    again() {}
  }
  @Controller()
  class OtherTopic {
    @AggregateHandler('nowhere')
    handle() {}
  }
  @Injectable()
  class NoController {
    @AggregateHandler('start', { type: 'B' })
    handle() {}
  }
  @Controller()
  class Request {
    @MessagePattern('start', AGGREGATE_TRANSPORT)
    handle() {}
  }
  @Controller()
  class OtherTransportAbove {
    @EventPattern<unknown>('start', Transport.TCP)
    @AggregateHandler('start')
    handle() {}
  }
  @Controller()
  class OtherTopicAbove {
    @EventPattern<unknown>('other', AGGREGATE_TRANSPORT)
    @AggregateHandler('start')
    handle() {}
  }
  @Controller()
  class RequestAbove {
    @MessagePattern('start', AGGREGATE_TRANSPORT)
    @AggregateHandler('start')
    handle() {}
  }
  @Controller()
  class Empty {}
  @Controller()
  class RequestsOnly {
    @MessagePattern('start')
    handle() {}
  }

  test.each<[string, Promise<unknown> | (() => Promise<unknown>), string, RegExp]>([
    [
      'two handlers for one type',
      () => start({}, [Handler, SameType]),
      'HANDLER_DUPLICATE',
      /type "A" in group "start"/,
    ],
    ['an undeclared topic', () => start({}, [OtherTopic]), 'TOPIC_UNDECLARED', /\(start\), found "nowhere"/],
    [
      'a handler that is no controller',
      () => start({}, [Handler], [NoController]),
      'HANDLER_MISPLACED',
      /NoController\.handle/,
    ],
    [
      'a request handler',
      () => start({}, [Request, Handler]),
      'REQUEST_UNSUPPORTED',
      /@MessagePattern\("start"\)/,
    ],
    ...[OtherTransportAbove, OtherTopicAbove, RequestAbove].map(
      (controller): [string, () => Promise<unknown>, string, RegExp] => [
        `another pattern decorator above ours: ${controller.name}`,
        () => start({}, [Handler, controller]),
        'OPTIONS_INVALID',
        new RegExp(`one pattern decorator on ${controller.name}\\.handle, found two`),
      ],
    ),
    [
      'a strategy without handlers',
      () => start({}, [Empty]),
      'HANDLER_MISSING',
      /at least one @AggregateHandler/,
    ],
    [
      'a strategy with request handlers alone',
      () => start({}, [RequestsOnly]),
      'REQUEST_UNSUPPORTED',
      /@MessagePattern\("start"\)/,
    ],
    [
      'handlers without a group',
      () => startApp({ options: { servers: server().url, topics: { start: {} } }, controllers: [Handler] }),
      'GROUP_MISSING',
      /set group/,
    ],
    [
      'an unknown option',
      () => start({ consume: { bacth: 5 } as never }),
      'OPTIONS_INVALID',
      /found "consume\.bacth"/,
    ],
    [
      'an option of acks',
      () => start({ consume: { ackWaitMs: 30_000 } as never }),
      'OPTIONS_INVALID',
      /nothing is delivered again because time has passed.*see consume\.commitEveryMs/,
    ],
    [
      "a topic named like the stream of another topic's positions",
      () => start({ topics: { start_positions: {} } }),
      'OPTIONS_INVALID',
      /start_positions/,
    ],
    [
      'a policy that does not exist',
      () => start({ consume: { onExhausted: 'drop' as never } }),
      'OPTIONS_INVALID',
      /"park" or "skip" or "block" or "halt"/,
    ],
  ])('%s', async (_what, begin, code, text) => {
    const starting = typeof begin === 'function' ? begin() : begin;
    await expect(starting).rejects.toMatchObject({ code });
    await expect(starting).rejects.toThrow(text);
    await expect(starting).rejects.toThrow(SAYS_ALL);
  });

  test.each([
    ['an event pattern', EventPattern<unknown>('other')],
    ['a request pattern', MessagePattern('start', AGGREGATE_TRANSPORT)],
    ['a second one of ours', AggregateHandler('start', { type: 'B' })],
  ])('another pattern decorator below ours: %s', (_what, other) => {
    const declare = (): unknown => {
      class Twice {
        @AggregateHandler('start', { type: 'A' })
        @other
        handle() {}
      }
      return Twice;
    };
    expect(declare).toThrow(expect.objectContaining({ code: 'OPTIONS_INVALID' }));
    expect(declare).toThrow(/one pattern decorator on Twice\.handle, found two/);
    expect(declare).toThrow(SAYS_ALL);
  });
});

describe('a server that cannot keep the promises ends the start-up, named', () => {
  test('no server at the address', async () => {
    const starting = start({ servers: 'nats://127.0.0.1:1' });
    await expect(starting).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    await expect(starting).rejects.toThrow(/nats:\/\/127\.0\.0\.1:1.*CONNECTION_REFUSED/);
  });

  test('a stream that the library did not make', async () => {
    const nats = await connect({ servers: server().url });
    const manager = await nats.jetstreamManager();
    await manager.streams.add({ name: 'foreign', subjects: ['foreign.*'] });
    await nats.close();
    const starting = start({ topics: { foreign: {} } });
    await expect(starting).rejects.toMatchObject({ code: 'STREAM_MISMATCH' });
    await expect(starting).rejects.toThrow(/aggregate-transport\.layout.*found none/);
  });

  test('a stream with another limit than the option says; without the option it is followed', async () => {
    await (await start({ topics: { limits: { stream: { maxMessages: 1_000 } } } })).close();
    await expect(start({ topics: { limits: { stream: { maxMessages: 2_000 } } } })).rejects.toThrow(
      /stream "limits" to have max_msgs 2000, found 1000/,
    );
    await (await start({ topics: { limits: {} } })).close();
  });

  test('other limits of reading than at the last start are followed: there is no consumer to keep', async () => {
    await (await start({}, [Handler])).close();
    await (await start({ consume: { maxWaiting: 7, maxAckPending: 500 } }, [Handler])).close();
  });

  describe('what a group has written down for itself', () => {
    /** A group that has handled one event and ended. */
    async function ended(topic: string): Promise<NatsConnection> {
      const handled: unknown[] = [];
      @Controller()
      class Handles {
        @AggregateHandler(topic)
        handle(payload: unknown) {
          handled.push(payload);
        }
      }
      const app = await startApp({
        options: { servers: server().url, group: 'start', topics: { [topic]: {} } },
        publishers: [topic],
        controllers: [Handles],
      });
      await publisherOf(app, topic).publish({ aggregateId: 'a', type: 'T', payload: 1 });
      await eventually('handled', () => handled.length === 1);
      await app.close();
      return connect({ servers: server().url });
    }

    function again(topic: string): ReturnType<typeof startApp> {
      @Controller()
      class Handles {
        @AggregateHandler(topic)
        handle() {}
      }
      return start({ topics: { [topic]: {} } }, [Handles]);
    }

    test.each<
      [
        what: string,
        topic: string,
        lose: (nats: NatsConnection, topic: string) => Promise<unknown>,
        text: RegExp,
      ]
    >([
      [
        'the stream of positions',
        'lost-stream',
        async (nats, topic) => (await nats.jetstreamManager()).streams.delete(`${topic}_positions`),
        /expected a stream "lost-stream_positions", found none, but a lease .*estore lost-stream_positions from the backup/,
      ],
      [
        'all it contained',
        'lost-keys',
        async (nats, topic) => (await nats.jetstreamManager()).streams.purge(`${topic}_positions`),
        /expected a record of group "start" .*found none, but a lease .*the group has run before/,
      ],
      [
        'the record of the group',
        'lost-record',
        async (nats, topic) =>
          (await nats.jetstream().views.kv(`${topic}_positions`, { bindOnly: true })).delete('group.start'),
        /expected a record of group "start" .*found none, but .*the group has run before/,
      ],
    ])('%s is lost: nothing begins again in silence', async (_what, topic, lose, text) => {
      const nats = await ended(topic);
      try {
        await lose(nats, topic);
      } finally {
        await nats.close();
      }
      const starting = again(topic);
      await expect(starting).rejects.toMatchObject({ code: 'RECORD_MISSING' });
      await expect(starting).rejects.toThrow(text);
      await expect(starting).rejects.toThrow(SAYS_ALL);
    });

    test('the record of the group cannot be read', async () => {
      const nats = await ended('odd-record');
      await nats.jetstream().publish('$KV.odd-record_positions.group.start', '{"v":99}');
      await nats.close();
      const starting = again('odd-record');
      await expect(starting).rejects.toMatchObject({ code: 'RECORD_INVALID' });
      await expect(starting).rejects.toThrow(SAYS_ALL);
    });

    test('the stream of positions drops keys after a time', async () => {
      const nats = await ended('short-lived');
      const { streams } = await nats.jetstreamManager();
      const { config } = await streams.info('short-lived_positions');
      await streams.update('short-lived_positions', { ...config, max_age: 3_600_000_000_000 });
      await nats.close();
      const starting = again('short-lived');
      await expect(starting).rejects.toMatchObject({ code: 'STREAM_MISMATCH' });
      await expect(starting).rejects.toThrow(/short-lived_positions.*max_age/);
      await expect(starting).rejects.toThrow(SAYS_ALL);
    });

    test('a durable consumer of a release with acks is left', async () => {
      await (await start({ topics: { 'old-consumer': {} } })).close();
      const nats = await connect({ servers: server().url });
      const { consumers } = await nats.jetstreamManager();
      await consumers.add('old-consumer', { durable_name: 'start-1-0', ack_policy: AckPolicy.Explicit });
      await nats.close();
      const starting = again('old-consumer');
      await expect(starting).rejects.toMatchObject({ code: 'OLD_CONSUMERS' });
      await expect(starting).rejects.toThrow(/found start-1-0.*nats consumer rm old-consumer start-1-0/);
      await expect(starting).rejects.toThrow(SAYS_ALL);
    });
  });

  test('a missing stream where nothing may be made', async () => {
    await expect(start({ topics: { absent: { stream: { provision: 'verify' } } } })).rejects.toMatchObject({
      code: 'STREAM_MISSING',
    });
  });
});

test('a second forRoot ends the start-up, and the text says that there are two', async () => {
  const url = server().url;
  @Module({
    imports: [
      AggregateTransportModule.forRoot({ servers: url, topics: { other: {} } }),
      AggregateTransportModule.forFeature(['other']),
    ],
  })
  class FeatureModule {}
  @Module({
    imports: [
      AggregateTransportModule.forRootAsync({ useFactory: () => ({ servers: url, topics: { start: {} } }) }),
      AggregateTransportModule.forFeature(['start']),
      FeatureModule,
    ],
  })
  class TwoRoots {}
  await expect(NestFactory.create(TwoRoots, { logger: false, abortOnError: false })).rejects.toMatchObject({
    code: 'OPTIONS_INVALID',
    message: expect.stringMatching(
      /^expected AggregateTransportModule\.forRoot \(or forRootAsync\) once in an application, found it 2 times; /,
    ),
  });
});

test('@EventPattern with our transport handles every type; without a transport it is not ours', async () => {
  const seen: string[] = [];
  @Controller()
  class Patterns {
    @EventPattern<unknown>('patterns', AGGREGATE_TRANSPORT)
    ours(payload: string) {
      seen.push(payload);
    }
    @EventPattern<unknown>('somewhere.else')
    foreign() {
      seen.push('foreign');
    }
  }
  const app = await startApp({
    options: { servers: server().url, group: 'start', topics: { patterns: {} } },
    publishers: ['patterns'],
    controllers: [Patterns],
  });
  const publisher = publisherOf(app, 'patterns');
  await publisher.publish({ aggregateId: 'a', type: 'Any', payload: 'one' });
  await publisher.publish({ aggregateId: 'a', type: 'Other', payload: 'two' });
  await eventually('both handled', () => seen.length === 2);
  await app.close();
  expect(seen).toEqual(['one', 'two']);
});
