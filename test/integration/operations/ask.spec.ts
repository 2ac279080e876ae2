import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import {
  AggregateHandler,
  AggregateId,
  AggregateOperations,
  partitionOf,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { type ConnectedOperations, connectOperations } from 'nestjs-aggregate-transport/operating';
import { publisherOf, startApp } from '../../support/app.js';
import { runCommand } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';

const server = serverForAll();
const shop = { topic: 'asked', group: 'shop' };
const SECRET = 'card 4111-1111';

/** A busy machine answers late; the answers end the wait. */
const PATIENT = { withinMs: 5_000 };

class OutOfStockError extends Error {
  override readonly name = 'OutOfStockError';
  readonly code = 'E_STOCK';
}

describe('processes of a group that are asked', () => {
  const apps: INestApplication[] = [];
  let operations: ConnectedOperations;
  let release: () => void = () => undefined;
  const stuck = new Promise<void>((resolve) => (release = resolve));

  function replica(): Promise<INestApplication> {
    @Controller()
    class Handler {
      @AggregateHandler('asked', { timeoutMs: 100 })
      async handle(@Payload() payload: { card: string }, @AggregateId() id: string): Promise<void> {
        if (id === 'stuck') await stuck;
        if (id === 'retrying')
          throw new OutOfStockError(`no stock for ${JSON.stringify(payload)}\nat line 2 ${payload.card}`);
        if (id === 'parked') throw new UnrecoverableError(new Error('no such order'));
      }
    }
    const consume = {
      leaseTtlMs: 1_500,
      partitions: 4,
      retry: { attempts: 9, firstDelayMs: 60_000, maxDelayMs: 60_000 },
    };
    return startApp({
      options: {
        servers: server().url,
        group: 'shop',
        topics: { asked: { consume } },
        shutdown: { drainMs: 200 },
      },
      publishers: ['asked'],
      controllers: [Handler],
    });
  }

  beforeAll(async () => {
    apps.push(await replica(), await replica());
    operations = await connectOperations({ servers: server().url });
    await eventually('two owners of two partitions each', async () => {
      const { owned, owners } = await operations.group(shop);
      return owned === 4 && owners === 2;
    });
    const publisher = publisherOf(apps[0]!, 'asked');
    for (const aggregateId of [
      'stuck',
      'retrying',
      'parked',
      ...Array.from({ length: 50 }, (_, n) => `well ${n}`),
    ])
      for (let n = 0; n < 2; n++)
        await publisher.publish({ aggregateId, type: 'Counted', payload: { card: SECRET } });
  });

  afterAll(async () => {
    release();
    await operations.close();
    for (const app of apps) await app.close();
  });

  test('each answers for the partitions that it owns, and the stuck aggregate is found by name and age', async () => {
    await eventually('the stuck aggregate, and all others handled', async () => {
      const { worst, partitions } = await operations.askGroup(shop, PATIENT);
      const handled = partitions.reduce((sum, one) => sum + one.handled, 0);
      return worst[0]?.state === 'stuck' && handled === 100;
    });
    const live = await operations.askGroup(shop, PATIENT);
    expect(live).toMatchObject({ ...shop, isComplete: true, partitionCount: 4, unknown: [] });
    expect(live.replicas.map(({ state }) => state)).toEqual(['answered', 'answered']);
    expect(live.partitions.map(({ partition }) => partition)).toEqual([0, 1, 2, 3]);
    expect(new Set(live.partitions.map(({ replica: name }) => name)).size).toBe(2);
    expect(live.trouble).toMatchObject({ stuck: 1, retrying: 1 });
    const [first, second] = live.worst;
    expect(first).toMatchObject({
      ...{ aggregateId: 'stuck', type: 'Counted', attempt: 1, queued: 2, isRunning: true },
      partition: partitionOf('stuck', 4),
    });
    expect(live.at - first!.since!).toBeGreaterThan(150);
    expect(second).toMatchObject({
      ...{ aggregateId: 'retrying', state: 'retrying', attempt: 1, isRunning: false },
      error: { stage: 'handler', name: 'OutOfStockError', code: 'E_STOCK', text: 'no stock for {…}' },
    });
    expect(second!.nextAt! - live.at).toBeGreaterThan(10_000);
    const owner = live.partitions.find(({ partition }) => partition === partitionOf('stuck', 4));
    expect(owner).toMatchObject({ replica: first!.replica, running: 1, mode: 'running' });
    // A lease that is held was renewed; on a busy machine the look at it is later.
    expect(owner?.leaseAgeMs).toBeLessThan(10_000);
    expect(live.partitions.reduce((sum, { handled }) => sum + handled, 0)).toBe(100);
    expect(live.partitions.some(({ handlerMs }) => handlerMs !== undefined)).toBe(true);
    expect(JSON.stringify(live)).not.toContain('4111');
  });

  test('the owner of one aggregate tells of its lane, and of its marker', async () => {
    const running = await operations.askAggregate({ ...shop, aggregateId: 'stuck' }, PATIENT);
    expect(running.owner).toMatchObject({
      lane: { isRunning: true, queued: 2 },
      partition: partitionOf('stuck', 4),
    });
    const parked = await operations.askAggregate({ ...shop, aggregateId: 'parked' }, PATIENT);
    expect(parked.owner).toMatchObject({
      parked: { reason: 'UNRECOVERABLE', error: { text: 'Error: no such order' } },
    });
    expect(parked.owner?.lane).toBeUndefined();
    const idle = await operations.askAggregate({ ...shop, aggregateId: 'well 3' }, PATIENT);
    expect(idle.owner).toEqual(expect.objectContaining({ lane: undefined, parked: undefined }));
    const { timeline } = await operations.aggregate({ topic: 'asked', aggregateId: 'retrying' });
    expect(timeline.find(({ kind }) => kind === 'failed')).toMatchObject({
      ...{ group: 'shop', attempts: 1, error: { code: 'E_STOCK' } },
    });
  });

  test('an application asks its own group, too', async () => {
    const live = await apps[0]!.get(AggregateOperations).askGroup(shop, { ...PATIENT, worst: 0 });
    expect(live).toMatchObject({ isComplete: true, worst: [], unknown: [] });
  });

  test('the command line tells the same', async () => {
    const args = ['group', 'ask', 'asked', 'shop', '--server', server().url];
    const { code, output } = await runCommand({ args });
    expect(output).toMatch(/^2 of 2 replicas answered\nPARTITION +REPLICA/);
    expect(output).toMatch(/stuck +stuck +\d .* Counted +1 /);
    expect(output).toMatch(/retrying +retrying .* E_STOCK: no stock for \{…\}/);
    expect(code).toBe(0);
    const none = await runCommand({ args: args.with(3, 'none') });
    expect(none).toMatchObject({ code: 1, output: expect.stringContaining('0 of 0 replicas answered') });
  });

  test('a group without processes is unknown', async () => {
    const live = await operations.askGroup({ ...shop, group: 'none' });
    expect(live).toMatchObject({ replicas: [], partitions: [], partitionCount: 0 });
  });
});
