import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { connect as connectIo } from '@nats-io/transport-node';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import {
  AggregateHandler,
  AggregateHealthIndicator,
  AggregateServer,
  type AggregateTransportOptions,
  type NatsClientName,
} from 'nestjs-aggregate-transport';
import { startNatsServer } from 'nestjs-aggregate-transport/testing';
import { connect as connectNats, type ConnectionOptions, type NatsConnection } from 'nats';
import { CLIENT_VARIABLE } from '#library/stream/clients/find-client.js';
import { freePorts } from '#library/testing/nats/nats-process.js';
import { publisherOf, startApp } from '../support/app.js';
import { CapturedLog } from '../support/captured-log.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();
const CONNECT: Readonly<Record<NatsClientName, (options: ConnectionOptions) => Promise<NatsConnection>>> = {
  nats: connectNats,
  // The two are of one form, as far as these tests go.
  'nats-io': connectIo as never,
};

/** What a client keeps for a connection. */
interface Inside {
  readonly protocol: {
    readonly subscriptions: { readonly subs: ReadonlyMap<number, unknown> };
    readonly listeners: readonly unknown[];
  };
  readonly listeners?: readonly unknown[];
}

/** How many subscriptions a connection has, and how many follow its status. */
function usesOf(connection: NatsConnection): readonly number[] {
  const { protocol, listeners } = connection as unknown as Inside;
  return [protocol.subscriptions.subs.size, (listeners ?? protocol.listeners).length];
}

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

let topics = 0;

interface Scene {
  readonly app: INestApplication;
  readonly topics: readonly string[];
  readonly log: CapturedLog;
  /** Publishes one event to each topic, and resolves when they are handled. */
  exchange(): Promise<void>;
}

/** An application with two topics, each with a handler. */
async function appWith(options: Partial<AggregateTransportOptions>): Promise<Scene> {
  const names = [`clients-${++topics}`, `clients-${++topics}`];
  const handled: number[] = [];
  const controllers = names.map((name): Type => {
    @Controller()
    class Handler {
      @AggregateHandler(name)
      handle(@Payload() payload: number): void {
        handled.push(payload);
      }
    }
    return Handler;
  });
  const log = new CapturedLog();
  const app = await startApp({
    options: { group: 'g', topics: Object.fromEntries(names.map((name) => [name, {}])), ...options },
    ...{ publishers: names, controllers, logger: log },
  });
  opened.push(() => app.close());
  let events = 0;
  const exchange = async (): Promise<void> => {
    const numbers = names.map(() => ++events);
    await Promise.all(
      names.map((name, index) =>
        publisherOf(app, name).publish({ aggregateId: 'a', type: 'T', payload: numbers[index]! }),
      ),
    );
    await eventually('the events are handled', () => numbers.every((number) => handled.includes(number)));
  };
  return { app, topics: names, log, exchange };
}

function connectionsOf({ app }: Scene): NatsConnection[] {
  return [...app.get(AggregateServer).unwrap<Map<string, NatsConnection>>().values()];
}

describe.each<NatsClientName>(['nats', 'nats-io'])('over the client %s', (client) => {
  const open = async (options: ConnectionOptions = {}): Promise<NatsConnection> => {
    const connection = await CONNECT[client]({ servers: server().url, ...options });
    opened.push(() => connection.close());
    return connection;
  };
  const isOfClient = (connection: NatsConnection): boolean =>
    'jetstream' in connection === (client === 'nats');

  test('options reach it, and every topic has a connection of its own', async () => {
    const scene = await appWith({ client, servers: server().url, connection: { name: 'told' } });
    await scene.exchange();
    const connections = connectionsOf(scene);
    expect(new Set(connections).size).toBe(2);
    expect(connections.every(isOfClient)).toBe(true);
    expect(scene.log.matching(/both installed/)).toEqual([]);
  });

  test('an open connection serves all topics, and is left open and as it was', async () => {
    const connection = await open();
    const scene = await appWith({ connection });
    await scene.exchange();
    expect(new Set(connectionsOf(scene))).toEqual(new Set([connection]));
    await scene.app.close();
    expect(connection.isClosed()).toBe(false);
    await connection.flush();
    expect(usesOf(connection)).toEqual([0, 0]);
    // It can be used again.
    await (await appWith({ connection })).exchange();
  });

  test('an open connection that its owner closes is a connection that has ended: told, and health is down', async () => {
    const connection = await open();
    const scene = await appWith({ connection });
    await scene.exchange();
    await connection.close();
    await scene.log.says(/CONNECTION_CLOSED.*closed or drained from outside/);
    const publishing = publisherOf(scene.app, scene.topics[0]!).publish({
      ...{ aggregateId: 'a', type: 'T', payload: 0 },
    });
    await expect(publishing).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
    const health = scene.app.get(AggregateHealthIndicator);
    expect(JSON.stringify(await health.isLive('aggregates').catch((error: unknown) => error))).toContain(
      'connection-closed',
    );
  });

  test('a connection that is closed already is refused at the start', async () => {
    const connection = await open();
    await connection.close();
    const starting = appWith({ connection });
    await expect(starting).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    await expect(starting).rejects.toThrow('found that it is closed');
  });

  test('a function makes one for each topic, and they are closed with the application', async () => {
    const made: NatsConnection[] = [];
    const make = async (): Promise<NatsConnection> => {
      made.push(await open());
      return made.at(-1)!;
    };
    const scene = await appWith({ connection: make });
    await scene.exchange();
    expect(made).toHaveLength(2);
    await scene.app.close();
    expect(made.map((connection) => connection.isClosed())).toEqual([true, true]);
    const one = await appWith({ connection: make, connectionMode: 'shared' });
    await one.exchange();
    expect(made).toHaveLength(3);
  });

  test('a connection of a user who may hear nothing but the inbox prefix does all its requests there', async () => {
    const config = `accounts { A { jetstream: enabled, users: [
      { user: svc, password: p, permissions: { subscribe: ["_MINE.>", "$KV.>"] } }] } }`;
    const own = await startNatsServer({ config });
    opened.push(() => own.stop());
    const options = { user: 'svc', pass: 'p', inboxPrefix: '_MINE' };
    const scene = await appWith({ client, servers: own.url, connection: options });
    await scene.exchange();
    await scene.app.close();
    const given = await appWith({ connection: await open({ ...options, servers: own.url }) });
    await given.exchange();
    // What operators ask is heard on a subject of its own. Who may not hear it only does not answer.
    const refused = [...scene.log.lines, ...given.log.lines].filter((line) => /permission/i.test(line));
    expect(refused.filter((line) => !/subscribe to "aggregate-transport\.[\w.-]+\.ask"/.test(line))).toEqual(
      [],
    );
  });

  test('continues after its server was away, with an open connection too', async () => {
    const own = await startNatsServer({});
    opened.push(() => own.stop());
    const connection = await open({ servers: own.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
    const scene = await appWith({ connection });
    await scene.exchange();
    await own.kill();
    await scene.log.says(/is gone, reconnecting/);
    await own.start();
    await scene.log.says(/is back, on/, 10_000);
    await scene.exchange();
  });
});

describe('a function of option connection', () => {
  test.each([
    ['rejects', () => Promise.reject(new Error('no vault')), /found Error: no vault/],
    [
      'throws',
      () => {
        throw new Error('no vault');
      },
      /found Error: no vault/,
    ],
    [
      'gives something else',
      () => ({}) as never,
      /connection of nats or @nats-io\/transport-node, found another/,
    ],
  ])('that %s fails the start', async (_name, connection, text) => {
    const starting = appWith({ connection });
    await expect(starting).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    await expect(starting).rejects.toThrow(text);
  });

  test('may make a WebSocket connection', async () => {
    const [port = 0] = await freePorts(1);
    const config = `websocket { listen: "127.0.0.1:${port}", no_tls: true }`;
    const websocket = await startNatsServer({ config });
    opened.push(() => websocket.stop());
    const worker = fileURLToPath(new URL('../../dist/test/support/websocket-worker.js', import.meta.url));
    // Node 22 has a WebSocket by itself.
    const flags = 'WebSocket' in globalThis ? [] : ['--experimental-websocket', '--no-warnings'];
    const child = spawn(process.execPath, [...flags, worker, `ws://127.0.0.1:${port}`], { stdio: 'pipe' });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data: Buffer) => void (output += data.toString()));
    }
    await once(child, 'exit');
    expect(output).toBe('stored 1, handled 7 over ws\n');
  });
});

test('of two clients without a choice it is nats, which the log says once', async () => {
  const before = process.env[CLIENT_VARIABLE];
  process.env[CLIENT_VARIABLE] = '';
  opened.push(() => Promise.resolve(void (process.env[CLIENT_VARIABLE] = before ?? '')));
  const scene = await appWith({ servers: server().url });
  await scene.exchange();
  expect(connectionsOf(scene).every((connection) => 'jetstream' in connection)).toBe(true);
  expect(scene.log.matching(/both installed: nats is used; choose with option client/)).toHaveLength(1);
});
