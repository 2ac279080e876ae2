import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type INestApplication } from '@nestjs/common';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import {
  AggregateHandler,
  AggregateId,
  AggregateOperations,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import {
  type ConnectedOperations,
  connectOperations,
  type Operations,
} from 'nestjs-aggregate-transport/operating';
import { publisherOf, startApp } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';

const server = serverForAll();
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const shop = { topic: 'seen', group: 'shop' };

describe('what operators see and do', () => {
  let app: INestApplication;
  let connected: ConnectedOperations;
  const broken = new Set(['order 1', 'order/2', 'order 3', 'order 4']);

  beforeAll(async () => {
    @Controller()
    class Handler {
      @AggregateHandler('seen')
      handle(@Payload() { n }: { n: number }, @AggregateId() id: string): void {
        if (broken.has(id) && n > 0) throw new UnrecoverableError(new Error('no stock'));
      }
    }
    const topics = { seen: { consume: { leaseTtlMs: 1_500, partitions: 2 } } };
    app = await startApp({
      options: { servers: server().url, group: 'shop', topics },
      publishers: ['seen'],
      controllers: [Handler],
    });
    connected = await connectOperations({ servers: server().url });
    const publisher = publisherOf(app, 'seen');
    for (const aggregateId of [...broken, 'well']) {
      for (const n of [0, 1, 2]) {
        const headers = { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` };
        await publisher.publish({ aggregateId, type: 'Counted', payload: { n, secret: 's3cret' }, headers });
      }
    }
    await eventually('four parked aggregates with two letters each', async () => {
      const { aggregates } = await connected.parked(shop);
      return aggregates.filter(({ letters }) => letters === 2).length === 4;
    });
  });

  afterAll(async () => {
    await connected.close();
    await app.close();
  });

  const ways: readonly (readonly [string, () => Operations])[] = [
    ['a connection of their own', () => connected],
    ['the application', () => app.get(AggregateOperations)],
  ];

  describe.each(ways)('over %s', (_name, operations) => {
    test('topics and groups have figures', async () => {
      expect(await operations().topics()).toEqual([
        expect.objectContaining({
          topic: 'seen',
          events: 15,
          aggregates: 5,
          groups: ['shop'],
          hasStream: true,
        }),
      ]);
      expect(await operations().groups()).toEqual([
        expect.objectContaining({ ...shop, partitions: 2, owned: 2, owners: 1, parked: 4, letters: 8 }),
      ]);
      expect((await operations().group(shop)).byPartition).toHaveLength(2);
      const [stand] = await operations().status();
      expect(stand).toMatchObject({ ...shop, missing: [] });
      expect(stand?.partitions.map(({ lease }) => lease)).toEqual(['held', 'held']);
      await expect(operations().group({ ...shop, group: 'none' })).rejects.toMatchObject({
        code: 'GROUP_UNKNOWN',
      });
    });

    test('parked aggregates come in pages, by id', async () => {
      const first = await operations().parked(shop, {}, { limit: 3 });
      expect(first).toMatchObject({ total: 4, next: 'order 4' });
      expect(first.aggregates.map(({ aggregateId }) => aggregateId)).toEqual([
        'order 1',
        'order 3',
        'order 4',
      ]);
      const second = await operations().parked(shop, {}, { limit: 3, after: first.next! });
      expect(second.aggregates.map(({ aggregateId }) => aggregateId)).toEqual(['order/2']);
      expect(second.next).toBeUndefined();
      expect((await operations().parked(shop, { error: 'no stock', type: 'Counted' })).total).toBe(4);
      expect((await operations().parked(shop, { error: 'other' })).total).toBe(0);
      await expect(operations().parked(shop, {}, { limit: 0 })).rejects.toMatchObject({
        code: 'OPTIONS_INVALID',
      });
    });

    test('letters come in pages, with their payload only if it is asked for', async () => {
      const address = { ...shop, aggregateId: 'order/2' };
      const { letters, next } = await operations().letters(address, { limit: 1 });
      expect(letters).toEqual([
        expect.objectContaining({ type: 'Counted', reason: 'UNRECOVERABLE', traceId: TRACE }),
      ]);
      expect(JSON.stringify(letters)).not.toContain('s3cret');
      const rest = await operations().letters(address, { after: next!, payloads: true });
      expect(rest.letters).toEqual([expect.objectContaining({ payload: { n: 2, secret: 's3cret' } })]);
      expect(rest.next).toBeUndefined();
      expect(await operations().letters({ ...shop, aggregateId: 'well' })).toEqual({
        letters: [],
        next: undefined,
      });
    });

    test('one aggregate has a timeline and its place in every group', async () => {
      const view = await operations().aggregate({ topic: 'seen', aggregateId: 'order 1' }, { live: false });
      const stored = view.timeline.filter((entry) => entry.kind === 'stored');
      expect(stored.map(({ groups }) => groups)).toEqual([
        [{ group: 'shop', stand: 'handled' }],
        [{ group: 'shop', stand: 'letter' }],
        [{ group: 'shop', stand: 'letter' }],
      ]);
      expect(stored[0]).toMatchObject({ type: 'Counted', traceId: TRACE, bytes: expect.any(Number) });
      expect(view.timeline.filter(({ kind }) => kind === 'parked')).toEqual([
        expect.objectContaining({ group: 'shop', reason: 'UNRECOVERABLE', sequence: stored[1]?.sequence }),
      ]);
      expect(view.timeline.filter(({ kind }) => kind === 'letter')).toHaveLength(2);
      expect(view.places).toEqual([expect.objectContaining({ group: 'shop', waiting: 0, letters: 2 })]);
      expect(JSON.stringify(view)).not.toContain('s3cret');
      const newest = await operations().aggregate({ topic: 'seen', aggregateId: 'well' }, { limit: 1 });
      expect(newest).toMatchObject({ left: 2 });
      const nothing = await operations().aggregate({ topic: 'seen', aggregateId: 'absent' });
      expect(nothing).toMatchObject({ timeline: [], left: 0 });
    });

    test('a search finds the aggregate of this id first, then parked ones that contain the text', async () => {
      expect(await operations().search('well')).toEqual([
        { topic: 'seen', aggregateId: 'well', lastSequence: 15, parkedIn: [] },
      ]);
      const found = await operations().search('ORDER', { limit: 2 });
      expect(found.map(({ aggregateId, parkedIn }) => [aggregateId, parkedIn])).toEqual([
        ['order 1', ['shop']],
        ['order 3', ['shop']],
      ]);
      expect(await operations().search('')).toEqual([]);
      expect(await operations().search('\ud800')).toEqual([]);
    });
  });

  test('letters are retried, skipped and discarded', async () => {
    const of = (aggregateId: string) => ({ ...shop, aggregateId });
    expect(await connected.retry(of('order 3'))).toMatchObject({ outcome: 'failed' });
    expect(await connected.skip(of('order 3'))).toEqual({ outcome: 'parked' });
    expect(await connected.discard(of('order 3'))).toEqual({ outcome: 'unparked' });
    await expect(connected.retry(of('well'))).rejects.toMatchObject({ code: 'NOT_PARKED' });
    const view = await connected.aggregate({ topic: 'seen', aggregateId: 'order 3' }, { live: false });
    expect(view.places).toEqual([expect.objectContaining({ parked: undefined })]);
    broken.delete('order 1');
    broken.delete('order/2');
    const heard: number[] = [];
    const result = await connected.retryAll(
      shop,
      { reason: 'UNRECOVERABLE' },
      { ratePerSecond: 100, onProgress: ({ total }) => heard.push(total) },
    );
    expect(result.unparked.toSorted()).toEqual(['order 1', 'order/2']);
    expect(result.failed).toEqual([{ aggregateId: 'order 4', error: expect.stringContaining('no stock') }]);
    expect(heard).toEqual([3, 3, 3]);
  });

  test('a group gets other partitions, begins again and is deleted', async () => {
    expect(await connected.repartition(shop, 4, { dryRun: true })).toMatchObject({
      state: 'planned',
      plan: { from: 2, to: 4 },
    });
    expect(await connected.repartition(shop, 4)).toMatchObject({ state: 'done' });
    expect(await connected.group(shop)).toMatchObject({ partitions: 4, condition: 'living' });
    await expect(connected.repartition(shop, 3)).rejects.toMatchObject({ code: 'OPTIONS_INVALID' });
    expect(await connected.reset(shop, { to: 'end' })).toMatchObject({ state: 'done', run: 1 });
    expect(await connected.cancelChange(shop)).toBe(false);
    let isCaughtUp = false;
    for await (const { caughtUp } of connected.follow(shop, { maxParked: 1 })) isCaughtUp = caughtUp;
    expect(isCaughtUp).toBe(true);
    expect(await connected.deleteGroup(shop)).toMatchObject({ state: 'done' });
    expect(await connected.group(shop)).toMatchObject({ condition: 'deleted' });
  });
});
