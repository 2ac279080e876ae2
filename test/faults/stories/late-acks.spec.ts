import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { connect } from 'nats';
import { AggregateHandler } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

// What a process that was cut off had sent comes late, and is a message like any other to the server. It may settle
// no event that a successor has still before it, or the one after that would begin behind a hole.

const TOPIC = 'late-acks';
const server = serverForAll({ config: '' });

interface Replica {
  readonly app: INestApplication;
  readonly proxy: TcpProxy;
  readonly starts: number[];
  /** Lets the event go on that it hangs at. */
  readonly goOn: () => void;
}

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A replica behind a proxy of its own, and what it has started; it hangs at the event `hangsAt`. */
async function replica(hangsAt?: number, proxied?: TcpProxy): Promise<Replica> {
  const starts: number[] = [];
  let goOn = (): void => undefined;
  const hung = new Promise<void>((resolve) => (goOn = resolve));

  @Controller()
  class Handler {
    @AggregateHandler(TOPIC)
    async handle(@Payload() n: number): Promise<void> {
      starts.push(n);
      if (n === hangsAt) await hung;
    }
  }

  const proxy = proxied ?? (await TcpProxy.listen(server().port));
  const app = await startApp({
    options: {
      servers: proxy.url,
      group: 'g',
      topics: { [TOPIC]: { consume: { leaseTtlMs: 1_000 } } },
      shutdown: { drainMs: 200 },
    },
    controllers: [Handler],
  });
  closers.push(async () => {
    goOn();
    proxy.heal();
    await app.close();
    await proxy.close();
  });
  return { app, proxy, starts, goOn };
}

/** Publishes `n` of one aggregate, each behind the one before. */
async function publishing(): Promise<(...ns: number[]) => Promise<void>> {
  const app = await startApp({
    options: { servers: server().url, topics: { [TOPIC]: {} } },
    publishers: [TOPIC],
  });
  closers.push(() => app.close());
  return async (...ns) => {
    for (const n of ns) await publisherOf(app, TOPIC).publish({ aggregateId: 'k', type: 'T', payload: n });
  };
}

/** The first has handled all that there is; its successor is about to repeat 3 when the acks of the first arrive. */
async function expectNoHole(first: Replica, publish: (n: number) => Promise<void>): Promise<void> {
  const second = await replica(3);
  await eventually('its successor repeats', () => second.starts.includes(3));
  first.proxy.heal();
  // It leaves by requests that the server answers, behind all that the network had kept.
  await first.app.close();
  second.proxy.blackhole('both');
  const third = await replica();
  await publish(9);
  await eventually('the last one is handled', () => third.starts.includes(9));
  expect([first.starts, second.starts, third.starts]).toEqual([
    [1, 2, 3, 4, 5, 6, 7, 8],
    [1, 2, 3],
    [3, 4, 5, 6, 7, 8, 9],
  ]);
}

afterEach(async () => {
  const admin = await connect({ servers: server().url });
  const streams = await admin.jetstreamManager();
  for (const name of [TOPIC, `${TOPIC}_parked`]) await streams.streams.delete(name).catch(() => undefined);
  await admin.close();
});

test('acks of an owner that was cut off come late, and leave no hole in what its successors repeat', async () => {
  const publish = await publishing();
  const first = await replica(1);
  await publish(1, 2, 3, 4, 5, 6, 7, 8);
  await eventually('it has them all', () => first.starts.includes(1));
  first.proxy.blackhole('c2s');
  first.goOn();
  await eventually('it handles them', () => first.starts.includes(8));
  await expectNoHole(first, publish);
}, 60_000);

test('nor do those that it sends again when it is back and cut off once more', async () => {
  const publish = await publishing();
  let isBack = false;
  const proxy: TcpProxy = await TcpProxy.listen(server().port, {
    opened: () => undefined,
    toClient: () => undefined,
    fromClient: (link, chunk) => {
      if (isBack && chunk.includes('+ACK')) proxy.blackholeLink(link);
    },
  });
  const first = await replica(1, proxy);
  await publish(1, 2, 3, 4, 5, 6, 7, 8);
  await eventually('it has them all', () => first.starts.includes(1));
  // It hears of no confirmation, nor does the server of any ack.
  proxy.blackhole('both');
  first.goOn();
  await eventually('it handles them', () => first.starts.includes(8));
  isBack = true;
  proxy.cut();
  proxy.heal();
  await expectNoHole(first, publish);
}, 60_000);
