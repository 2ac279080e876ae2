import { afterEach, expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { connect, type NatsConnection } from 'nats';
import { AggregateHandler, AggregateId } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { HeardAcks } from '../support/heard-acks.js';
import { serverForAll } from '../support/server.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const server = serverForAll();
const TOPIC = 'repeated-acks';
const EVENTS = 300;

const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

function closing<T extends { close(): Promise<unknown> }>(one: T): T {
  opened.push(one);
  return one;
}

/** The sequences whose acks reach the server, in order, and those that it has confirmed. */
async function observeAcks(nats: NatsConnection): Promise<{ acked: number[]; confirmed: Set<number> }> {
  const acked: number[] = [];
  const confirmed = new Set<number>();
  const acks = new HeardAcks({
    isLone: true,
    sent: ({ sequence }) => acked.push(sequence),
    confirmed: (sequence) => confirmed.add(sequence),
  });
  nats.subscribe(`$JS.ACK.${TOPIC}.>`, { callback: (_error, message) => acks.acked(message) });
  nats.subscribe('_INBOX.*.*', { callback: (_error, message) => acks.answered(message) });
  await nats.flush();
  return { acked, confirmed };
}

test('after a cut, what a server that lives on has confirmed is not acked again, and order holds', async () => {
  const handled: number[] = [];
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));

  @Controller()
  class Handler {
    @AggregateHandler(TOPIC)
    async handle(@Payload() payload: number, @AggregateId() id: string): Promise<void> {
      if (id === 'slow') await released;
      else handled.push(payload);
    }
  }

  const proxy = closing(await TcpProxy.listen(server().port));
  const observer = closing(await connect({ servers: server().url }));
  const { acked, confirmed } = await observeAcks(observer);
  const app = closing(
    await startApp({
      options: { servers: proxy.url, group: 'acks', topics: { [TOPIC]: {} } },
      controllers: [Handler],
      publishers: [TOPIC],
    }),
  );
  const publisher = publisherOf(app, TOPIC);
  const publish = (from: number, to: number): Promise<unknown> =>
    Promise.all(
      Array.from({ length: to - from }, (_, index) =>
        publisher.publish({ aggregateId: 'a', type: 'Counted', payload: from + index }),
      ),
    );
  // What this one holds back is above the floor, so that only an ack of its own settles it.
  await publisher.publish({ aggregateId: 'slow', type: 'Counted', payload: 0 });
  await publish(0, EVENTS);
  await eventually('every confirmation', () => confirmed.size === EVENTS);
  // Its receipt comes behind the last confirmation on the way to the process; its handler waits behind the slow one.
  await publisher.publish({ aggregateId: 'slow', type: 'Counted', payload: 1 });
  const before = acked.length;
  proxy.cut();
  await publish(EVENTS, EVENTS + 1);
  await eventually('the next ack', () => acked.includes(EVENTS + 3));
  const again = acked.slice(before);
  release();
  expect(handled).toEqual(Array.from({ length: EVENTS + 1 }, (_, index) => index));
  expect(again).toEqual([EVENTS + 3]);
});
