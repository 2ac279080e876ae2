import { expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { CloudEvent, HTTP } from 'cloudevents';
import {
  AggregateContext,
  AggregateHandler,
  cloudEventsCodec,
  ParkedAggregates,
  subjectOf,
  tokenOf,
} from 'nestjs-aggregate-transport';
import { connect, headers, type NatsConnection } from 'nats';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();

interface Sdk {
  headers: Record<string, string>;
  body: string;
}

async function withNats<T>(use: (nats: NatsConnection) => Promise<T>): Promise<T> {
  const nats = await connect({ servers: server().url });
  try {
    return await use(nats);
  } finally {
    await nats.close();
  }
}

/** The last message of an aggregate as the SDK takes it. */
async function storedAs(nats: NatsConnection, topic: string, id: string): Promise<Sdk> {
  const jsm = await nats.jetstreamManager();
  const message = await jsm.streams.getMessage(topic, { last_by_subj: subjectOf(topic, tokenOf(id)) });
  const found = Object.fromEntries([...message.header].map(([name, [value]]) => [name, value ?? '']));
  return { headers: found, body: Buffer.from(message.data).toString('utf8') };
}

async function sendAs(
  nats: NatsConnection,
  topic: string,
  event: CloudEvent<unknown>,
  mode: 'binary' | 'structured',
) {
  const { headers: given, body } = HTTP[mode](event);
  const block = headers();
  for (const [name, value] of Object.entries(given)) block.set(name, String(value));
  await nats.request(subjectOf(topic, tokenOf(event.subject ?? '')), String(body), {
    headers: block,
    timeout: 2_000,
  });
}

test.each(['structured', 'binary'] as const)(
  'in %s mode CloudEvents go from publisher to handler, history and letters, and from and to the official SDK',
  async (mode) => {
    const topic = `ce-${mode}`;
    const handled: unknown[] = [];
    let fails = true;

    @Controller()
    class Handler {
      @AggregateHandler(topic)
      handle(@Payload() payload: unknown, @Ctx() { eventId, type, version, tenantId }: AggregateContext) {
        if (type === 'Fails' && fails) throw new Error('not yet');
        handled.push({ payload, eventId, type, version, tenantId });
      }
    }
    const app = await startApp({
      options: {
        servers: server().url,
        group: 'ce',
        topics: {
          [topic]: {
            codec: cloudEventsCodec({ source: '/orders', mode }),
            consume: { retry: { attempts: 1 } },
          },
        },
      },
      publishers: [topic],
      controllers: [Handler],
    });
    const publisher = publisherOf(app, topic);
    const event = {
      aggregateId: 'a',
      type: 'Placed',
      payload: { n: 1 },
      eventId: 'e1',
      version: 2,
      tenantId: 9,
    };
    const first = await publisher.publish(event);
    const again = await publisher.publish(event);
    expect(again).toEqual({ ...first, duplicate: true });
    const parsed = await withNats((nats) => storedAs(nats, topic, 'a')).then((one) =>
      HTTP.toEvent<object>(one),
    );
    expect(parsed).toMatchObject({
      id: 'e1',
      type: 'Placed',
      subject: 'a',
      source: '/orders',
      data: { n: 1 },
    });

    const foreign = { source: '/else', type: 'Placed', data: { n: 2 }, datacontenttype: 'application/json' };
    await withNats(async (nats) => {
      await sendAs(nats, topic, new CloudEvent({ ...foreign, id: 'f1', subject: 'a' }), mode);
      await sendAs(
        nats,
        topic,
        new CloudEvent({ ...foreign, id: 'f2', subject: 'bad' }).cloneWith({ eventversion: 'x' }),
        mode,
      );
    });
    await publisher.publish({ aggregateId: 'late', type: 'Fails', payload: null, eventId: 'l1' });
    await eventually('both events of "a" are handled', () => handled.length >= 2);
    expect(handled).toEqual([
      { payload: { n: 1 }, eventId: 'e1', type: 'Placed', version: 2, tenantId: 9 },
      { payload: { n: 2 }, eventId: 'f1', type: 'Placed', version: 1, tenantId: undefined },
    ]);
    const history: unknown[] = [];
    for await (const { eventId, payload, version } of publisher.read('a'))
      history.push({ eventId, payload, version });
    expect(history).toEqual([
      { eventId: 'e1', payload: { n: 1 }, version: 2 },
      { eventId: 'f1', payload: { n: 2 }, version: 1 },
    ]);

    const parked = app.get(ParkedAggregates);
    await eventually('the bad one and the failed one are parked', async () => {
      const found = await parked.list({ topic });
      return found.filter(({ state }) => state === 'parked').length === 2;
    });
    const letters: unknown[] = [];
    for await (const letter of parked.letters({ topic, aggregateId: 'late' })) letters.push(letter.event);
    expect(letters).toEqual([
      expect.objectContaining({ event_id: 'l1', event_type: 'Fails', payload: null }),
    ]);
    fails = false;
    await parked.retry({ topic, aggregateId: 'late' });
    await eventually('the letter is handled', () => handled.length === 3);
    expect(handled[2]).toMatchObject({ eventId: 'l1', payload: null });
    await app.close();
  },
);
