import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { connect, type NatsConnection } from 'nats';
import { AggregateHandler, AggregateId } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

// A consumer deleted by hand is made anew behind the floor of the lease, so settled events come again. What its last
// owner sent to the old one may still be on its way then.

const GROUP = 'g';
const LEASE_TTL_MS = 1_000;
const server = serverForAll({ config: '' });

/** A replica behind a proxy of its own, and what it has started. */
interface Replica {
  readonly app: INestApplication;
  readonly proxy: TcpProxy;
  readonly starts: string[];
}

const closers: (() => Promise<unknown>)[] = [];
/** Handlers that wait until a test lets them go, as replica and event. */
const gates = new Map<string, () => void>();
const waits = new Set<string>();
let tests = 0;
/** Each test has a stream of its own. */
let topic = '';
let admin: NatsConnection;
let publishing: INestApplication;

beforeEach(async () => {
  topic = `remade-${++tests}`;
  admin = await connect({ servers: server().url });
  publishing = await startApp({
    options: { servers: server().url, topics: { [topic]: {} } },
    publishers: [topic],
  });
});

afterEach(async () => {
  for (const open of gates.values()) open();
  await Promise.all(closers.splice(0).map((close) => close()));
  await publishing.close();
  await admin.close();
});

function handlerOf(name: string, starts: string[]): Type {
  @Controller()
  class Handler {
    @AggregateHandler(topic)
    async handle(@Payload() { n }: { n: number }, @AggregateId() id: string) {
      const event = `${id}-${n}`;
      starts.push(event);
      if (waits.has(`${name} ${event}`))
        await new Promise<void>((resolve) => gates.set(`${name} ${event}`, resolve));
    }
  }
  return Handler;
}

async function replica(name: string): Promise<Replica> {
  const proxy = await TcpProxy.listen(server().port);
  const starts: string[] = [];
  const app = await startApp({
    options: {
      servers: proxy.url,
      group: GROUP,
      topics: { [topic]: { consume: { leaseTtlMs: LEASE_TTL_MS } } },
      shutdown: { drainMs: 500 },
    },
    controllers: [handlerOf(name, starts)],
  });
  closers.push(async () => {
    proxy.heal();
    await app.close();
    await proxy.close();
  });
  return { app, proxy, starts };
}

function publish(aggregateId: string, n: number): Promise<unknown> {
  return publisherOf(publishing, topic).publish({ aggregateId, type: 'T', payload: { n } });
}

async function consumers(): Promise<string[]> {
  const answer = await admin.request(`$JS.API.CONSUMER.NAMES.${topic}`);
  return answer.json<{ consumers?: string[] }>().consumers ?? [];
}

function startsOf({ starts }: Replica, aggregateId: string, from = 0): string[] {
  return starts.slice(from).filter((event) => event.startsWith(`${aggregateId}-`));
}

/** The sequence of k's fourth event. */
const K_4 = 5;

test('an ack for a consumer that was deleted settles nothing of the one that was made in its place', async () => {
  const acks: number[] = [];
  admin.subscribe(`$JS.ACK.${topic}.>`, {
    callback: (_error, message) => {
      if (message.string() === '+ACK') acks.push(Number(message.subject.split('.')[5]));
    },
  });
  const first = await replica('first');
  // The floor stays below this one, so everything behind it comes again from a consumer made anew.
  waits.add('first stuck-1').add('second k-1');
  await publish('stuck', 1);
  for (const n of [1, 2, 3]) await publish('k', n);
  await eventually('three events are settled', () => new Set(acks).size === 3);

  first.proxy.blackhole('c2s');
  await publish('k', 4);
  await eventually('the owner that is cut off handles the fourth', () => first.starts.includes('k-4'));
  admin.publish(`$JS.API.CONSUMER.DELETE.${topic}.${GROUP}-1-0`);

  const second = await replica('second');
  await eventually('the next owner starts over', () => second.starts.includes('k-1'));
  first.proxy.heal();
  await eventually('the late ack arrives', () => acks.includes(K_4));

  // The next owner goes without having handled anything of k; what it leaves is whole.
  second.proxy.blackhole('both');
  const before = first.starts.length;
  gates.get('first stuck-1')?.();
  await publish('k', 5);
  await eventually('the fifth is handled', () => first.starts.includes('k-5'));
  expect(startsOf(first, 'k', before)).toEqual(['k-1', 'k-2', 'k-3', 'k-4', 'k-5']);
}, 40_000);

test('an owner whose consumer is deleted goes on at once with another, and nothing of the old one is left', async () => {
  const only = await replica('only');
  for (const n of [1, 2, 3]) await publish('k', n);
  await eventually('three are handled', () => only.starts.length === 3);
  for (const [round, name] of ['g-1-0', 'g-1-0-g2', 'g-1-0-g3'].entries()) {
    await eventually('the consumer of this round', async () => (await consumers()).join() === name);
    admin.publish(`$JS.API.CONSUMER.DELETE.${topic}.${name}`);
    await publish('k', 4 + round);
    await eventually('the next event is handled', () => only.starts.includes(`k-${4 + round}`));
  }
  // A request of an owner that is gone may make one of the old names late; the next owner removes it.
  const manager = await admin.jetstreamManager();
  await manager.consumers.add(topic, { durable_name: 'g-1-0-g2' });
  await replica('next');
  await only.app.close();
  await eventually('the late one is gone', async () => (await consumers()).join() === 'g-1-0-g4');
}, 40_000);

test('a group whose consumer was deleted while nobody ran starts behind what it has settled', async () => {
  const before = await replica('before');
  await publish('k', 1);
  await eventually('the first is handled', () => before.starts.length > 0);
  await before.app.close();
  for (const name of await consumers()) admin.publish(`$JS.API.CONSUMER.DELETE.${topic}.${name}`);
  await publish('k', 2);
  const after = await replica('after');
  await eventually('the second is handled', () => after.starts.includes('k-2'));
  expect(after.starts).toEqual(['k-2']);
}, 40_000);

test('a stream made anew while nobody ran is handled from its first event', async () => {
  const before = await replica('before');
  for (const n of [1, 2, 3]) await publish('k', n);
  await eventually('three are handled', () => before.starts.length === 3);
  await before.app.close();
  const manager = await admin.jetstreamManager();
  const { config } = await manager.streams.info(topic);
  await manager.streams.delete(topic);
  await manager.streams.add(config);
  await publish('l', 1);
  const after = await replica('after');
  await eventually('the first event is handled', () => after.starts.includes('l-1'));
}, 40_000);
