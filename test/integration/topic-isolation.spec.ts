import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { connect } from 'nats';
import {
  AggregateHandler,
  type AggregateTransportOptions,
  type PublishReceipt,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const server = serverForAll({
  config: `
    accounts {
      MAIN: { jetstream: enabled, users: [ { user: app, password: pw } ] }
      SYS: { users: [ { user: sys, password: pw } ] }
    }
    system_account: SYS`,
});
const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const opened of open.splice(0).reverse()) await opened.close();
});

/** Frees what an application that is open waits for when it closes. */
function beforeClosing(free: () => void): void {
  open.push({
    close: () => {
      free();
      return Promise.resolve();
    },
  });
}

/** The open connections of applications, as the server lists them. */
async function connectionsOnServer(): Promise<{ cid: number; name: string }[]> {
  const nats = await connect({ servers: server().url, user: 'sys', pass: 'pw' });
  try {
    const answer = await nats.request('$SYS.REQ.SERVER.PING.CONNZ');
    const { data } = answer.json<{ data: { connections: { cid: number; name?: string }[] } }>();
    return data.connections
      .map(({ cid, name = '' }) => ({ cid, name }))
      .filter(({ name }) => name.startsWith('aggregate-transport'))
      .sort((a, b) => a.name.localeCompare(b.name));
  } finally {
    await nats.close();
  }
}

/** A proxy that can put the connection of one name into a black hole, and every later one of that name. */
async function proxyWithNames(): Promise<{ url: string; block: (name: string) => void; heal: () => void }> {
  const links = new Map<number, string>();
  let blocked: string | undefined;
  const proxy = await TcpProxy.listen(server().port, {
    opened: () => undefined,
    toClient: () => undefined,
    fromClient: (link, chunk) => {
      const name = /^CONNECT \{.*?"name":"([^"]*)"/.exec(chunk.toString('latin1'))?.[1];
      if (name === undefined) return;
      links.set(link, name);
      if (name === blocked) proxy.blackholeLink(link);
    },
  });
  open.push(proxy);
  return {
    url: proxy.url,
    block: (name) => {
      blocked = name;
      const numbers = [...links].filter(([, other]) => other === name).map(([link]) => link);
      expect(numbers).toHaveLength(1);
      for (const link of numbers) proxy.blackholeLink(link);
    },
    heal: () => {
      blocked = undefined;
      proxy.heal();
    },
  };
}

interface World {
  readonly app: INestApplication;
  readonly handled: { calm: number[]; stuck: number[] };
  /** Handlers of the stuck topic that have started. */
  readonly started: () => number;
  /** Events 1 to `count` of one aggregate, or of one aggregate each. */
  readonly publish: (
    topic: 'calm' | 'stuck',
    count: number,
    aggregates?: 'one' | 'each',
  ) => Promise<PublishReceipt[]>;
}

interface WorldOptions extends Partial<AggregateTransportOptions> {
  readonly name: string;
  /** What a handler of the stuck topic waits for. */
  readonly gate?: Promise<void>;
}

/** One application with two topics and a handler for each. */
async function worldOf({ name, gate = Promise.resolve(), ...options }: WorldOptions): Promise<World> {
  const topics = { calm: `${name}-calm`, stuck: `${name}-stuck` };
  const handled: World['handled'] = { calm: [], stuck: [] };
  let started = 0;

  @Controller()
  class Handler {
    @AggregateHandler(topics.calm)
    calm(@Payload() n: number) {
      handled.calm.push(n);
    }

    @AggregateHandler(topics.stuck)
    async stuck(@Payload() n: number) {
      started++;
      await gate;
      handled.stuck.push(n);
    }
  }

  const app = await startApp({
    options: {
      servers: server().url,
      connection: { user: 'app', pass: 'pw' },
      connectionMode: 'perTopic',
      group: 'isolation',
      topics: { [topics.calm]: {}, [topics.stuck]: {} },
      ...options,
    },
    publishers: [topics.calm, topics.stuck],
    controllers: [Handler],
  });
  open.push(app);
  return {
    app,
    handled,
    started: () => started,
    publish: (topic, count, aggregates = 'one') => {
      const publisher = publisherOf(app, topics[topic]);
      return publisher.publishAll(
        numbers(count).map((n) => ({
          aggregateId: aggregates === 'one' ? 'a' : `a-${n}`,
          type: 'Counted',
          payload: n,
        })),
      );
    },
  };
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

test.each<['perTopic' | 'shared', string[]]>([
  ['perTopic', ['aggregate-transport:perTopic-calm', 'aggregate-transport:perTopic-stuck']],
  ['shared', ['aggregate-transport']],
])('with connectionMode %s the server counts these connections: %j', async (connectionMode, names) => {
  const { handled, publish } = await worldOf({ name: connectionMode, connectionMode });
  await Promise.all([publish('calm', 10), publish('stuck', 10)]);
  await eventually('both handled', () => handled.calm.length + handled.stuck.length === 20);
  const connections = await connectionsOnServer();
  expect(connections.map(({ name }) => name)).toEqual(names);
});

test('a topic whose connection hangs delays no other topic, and continues in order when the connection is back', async () => {
  const proxy = await proxyWithNames();
  const { app, handled, publish } = await worldOf({ name: 'hung', servers: proxy.url });
  beforeClosing(proxy.heal);
  const before = await connectionsOnServer();
  proxy.block('aggregate-transport:hung-stuck');
  const stored = publish('stuck', 50);
  // Watched from now on: it is awaited only after the other topic.
  stored.catch(() => undefined);
  const receipts = await publish('calm', 200);
  await eventually('the other topic to be handled', () => handled.calm.length === 200);
  // Not one event of it was stored meanwhile, let alone handled.
  expect([publisherOf(app, 'hung-stuck').pending, handled.stuck]).toEqual([50, []]);
  expect(receipts.map(({ sequence }) => sequence)).toEqual(numbers(200));
  expect(handled.calm).toEqual(numbers(200));
  const calm = ({ name }: { name: string }) => name === 'aggregate-transport:hung-calm';
  expect((await connectionsOnServer()).filter(calm)).toEqual(before.filter(calm));

  proxy.heal();
  expect((await stored).map(({ sequence }) => sequence)).toEqual(numbers(50));
  await eventually('the hung topic to be handled', () => handled.stuck.length >= 50);
  expect(handled.stuck).toEqual(numbers(50));
});

test('a topic whose handlers have taken all their slots delays no other topic', async () => {
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  const { handled, started, publish } = await worldOf({ name: 'full', gate, consume: { concurrency: 4 } });
  beforeClosing(release);
  await publish('stuck', 20, 'each');
  await eventually('all slots to be taken', () => started() === 4);
  await publish('calm', 200);
  await eventually('the other topic to be handled', () => handled.calm.length === 200);
  expect([handled.calm, started(), handled.stuck]).toEqual([numbers(200), 4, []]);

  release();
  await eventually('the full topic to be handled', () => handled.stuck.length === 20);
});
