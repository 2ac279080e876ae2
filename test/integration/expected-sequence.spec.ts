import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import {
  AggregateClient,
  type AggregateEvent,
  type AggregatePublisher,
  AggregateRecord,
  PublishAllError,
  type StoredEvent,
} from 'nestjs-aggregate-transport';
import { lastValueFrom } from 'rxjs';
import { publisherOf, startApp } from '../support/app.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();
let app: INestApplication;
let rivalApp: INestApplication;
const SMALL = { stream: { maxMessages: 10, maxBytes: 10_000_000 } };
const topics = { chain: {}, small: SMALL };

beforeAll(async () => {
  const options = { servers: server().url, topics };
  app = await startApp({ options, publishers: ['chain', 'small'] });
  rivalApp = await startApp({ options, publishers: ['chain', 'small'] });
});
afterAll(async () => {
  await app.close();
  await rivalApp.close();
});

let serial = 0;
const fresh = (): string => `order-${++serial}`;
const event = (
  aggregateId: string,
  payload: unknown,
  more: Partial<AggregateEvent> = {},
): AggregateEvent => ({
  ...{ aggregateId, type: 'T', payload },
  ...more,
});
const codesOf = (error: unknown): unknown[] =>
  (error as PublishAllError).results.map((result) => ('code' in result ? result.code : 'stored'));

async function history(publisher: AggregatePublisher, id: string): Promise<unknown[]> {
  const events: StoredEvent[] = [];
  for await (const stored of publisher.read(id)) events.push(stored);
  return events.map(({ payload }) => payload);
}

describe('an aggregate whose last event the stream has dropped', () => {
  async function dropped(publisher: AggregatePublisher): Promise<{ id: string; sequence: number }> {
    const id = fresh();
    const { sequence } = await publisher.publish(event(id, 1, { expectedSequence: 0 }));
    await publisher.publishAll(Array.from({ length: 20 }, (_, n) => event(fresh(), n)));
    expect(await publisher.lastSequence(id)).toBe(0);
    return { id, sequence };
  }

  test('is told apart from a conflict, and an outbox continues by expecting 0', async () => {
    const publisher = publisherOf(app, 'small');
    const { id, sequence } = await dropped(publisher);
    const next = event(id, 2, { expectedSequence: sequence, eventId: 'row-2' });
    const refusal: unknown = await publisher.publish(next).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'SEQUENCE_UNKNOWN' });
    expect((refusal as Error).message).toMatch(/found 0, but the aggregate's events were dropped/);
    const receipt = await publisher.publish({ ...next, expectedSequence: 0 });
    expect(receipt.duplicate).toBe(false);
    expect(await history(publisher, id)).toEqual([2]);
  });

  test('is a conflict as soon as another publisher has continued it', async () => {
    const publisher = publisherOf(app, 'small');
    const { id, sequence } = await dropped(publisher);
    const { sequence: other } = await publisherOf(rivalApp, 'small').publish(event(id, 'rival'));
    await expect(publisher.publish(event(id, 2, { expectedSequence: sequence }))).rejects.toMatchObject({
      ...{ code: 'SEQUENCE_CONFLICT', actualSequence: other },
    });
  });

  test('is none that never had an event: another aggregate has the expected one, or the stream never gave it', async () => {
    const publisher = publisherOf(app, 'small');
    const { sequence } = await publisher.publish(event(fresh(), 1));
    for (const expectedSequence of [sequence, sequence + 1_000])
      await expect(publisher.publish(event(fresh(), 1, { expectedSequence }))).rejects.toMatchObject({
        ...{ code: 'SEQUENCE_CONFLICT', actualSequence: 0 },
      });
  });
});

describe('a list of events of one aggregate whose first says what it expects', () => {
  test('is stored as one chain', async () => {
    const publisher = publisherOf(app, 'chain');
    const id = fresh();
    const events = [event(id, 1, { expectedSequence: 0 }), event(fresh(), 'x'), event(id, 2), event(id, 3)];
    const receipts = await publisher.publishAll(events);
    expect(receipts.map(({ duplicate }) => duplicate)).toEqual([false, false, false, false]);
    const last = receipts[3]!.sequence;
    await publisher.publishAll([event(id, 4, { expectedSequence: last }), event(id, 5)]);
    expect(await history(publisher, id)).toEqual([1, 2, 3, 4, 5]);
  });

  test('stores nothing of the chain if the first is wrong', async () => {
    const publisher = publisherOf(app, 'chain');
    const [id, other] = [fresh(), fresh()];
    await publisher.publish(event(id, 1));
    const list = [event(id, 2, { expectedSequence: 0 }), event(other, 'x'), event(id, 3), event(id, 4)];
    const error: unknown = await publisher.publishAll(list).catch((reason: unknown) => reason);
    expect(codesOf(error)).toEqual([
      ...['SEQUENCE_CONFLICT', 'stored', 'PREDECESSOR_REJECTED', 'PREDECESSOR_REJECTED'],
    ]);
    expect(await history(publisher, id)).toEqual([1]);
  });

  test('stores nothing after an event of another publisher, or after one that could not be sent', async () => {
    const publisher = publisherOf(app, 'chain');
    const rival = publisherOf(rivalApp, 'chain');
    const id = fresh();
    const many = Array.from({ length: 300 }, (_, n) => event(id, n, n === 0 ? { expectedSequence: 0 } : {}));
    const all = publisher.publishAll(many).catch((reason: unknown) => reason);
    // In the middle of the chain: its first event is stored, and its last is not.
    while ((await rival.lastSequence(id)) === 0);
    await rival.publish(event(id, 'rival'));
    const codes = codesOf(await all);
    const conflict = codes.indexOf('SEQUENCE_CONFLICT');
    expect(conflict).toBeGreaterThan(0);
    expect(new Set(codes.slice(0, conflict))).toEqual(new Set(['stored']));
    expect(new Set(codes.slice(conflict + 1))).toEqual(new Set(['PREDECESSOR_REJECTED']));
    expect(await history(publisher, id)).toEqual([...Array(conflict).keys(), 'rival']);

    const bad = fresh();
    const list = [event(bad, 1, { expectedSequence: 0 }), event(bad, new Map()), event(bad, 3)];
    const error: unknown = await publisher.publishAll(list).catch((reason: unknown) => reason);
    expect(codesOf(error)).toEqual(['stored', 'PAYLOAD_NOT_SERIALIZABLE', 'PREDECESSOR_REJECTED']);
    expect(await history(publisher, bad)).toEqual([1]);
  });

  test('is recognized when it is published again, also if it was stored in part', async () => {
    const id = fresh();
    const list = [1, 2, 3].map((n) => event(id, n, { eventId: `row-${n}` }));
    const [first, ...rest] = list as [AggregateEvent, ...AggregateEvent[]];
    const chain = [{ ...first, expectedSequence: 0 }, ...rest];
    await publisherOf(app, 'chain').publishAll(chain.slice(0, 2));
    const receipts = await publisherOf(rivalApp, 'chain').publishAll(chain);
    expect(receipts.map(({ duplicate }) => duplicate)).toEqual([true, true, false]);
    expect(await history(publisherOf(app, 'chain'), id)).toEqual([1, 2, 3]);
  });

  test('keeps its place before later calls', async () => {
    const publisher = publisherOf(app, 'chain');
    const id = fresh();
    const chain = publisher.publishAll([event(id, 1, { expectedSequence: 0 }), event(id, 2), event(id, 3)]);
    await publisher.publish(event(id, 4));
    await chain;
    expect(await history(publisher, id)).toEqual([1, 2, 3, 4]);
  });
});

describe('what callers without a compiler pass', () => {
  test.each([[undefined], [null], ['x'], [{}], [new Set()]])('is no list: %p', async (what) => {
    const publisher = publisherOf(app, 'chain');
    await expect(publisher.publishAll(what as never)).rejects.toMatchObject({ code: 'EVENT_INVALID' });
  });

  test('an event that cannot be read concerns its own call only', async () => {
    const publisher = publisherOf(app, 'chain');
    const unreadable = {
      get aggregateId(): string {
        throw new Error('gone');
      },
    };
    const error: unknown = await publisher
      .publishAll([event(fresh(), 1), unreadable as never, event(fresh(), 2)])
      .catch((reason: unknown) => reason);
    expect(codesOf(error)).toEqual(['stored', 'EVENT_INVALID', 'stored']);
  });

  test("headers in a Map are refused by the client too, beside metadata of Nest's tools", async () => {
    const record = new AggregateRecord(event(fresh(), 1, { headers: new Map([['a', 'b']]) as never }));
    const client = app.get(AggregateClient);
    client.setOnDispatchHook((packet) => void Object.assign(packet, { metadata: { trace: 't' } }));
    await expect(lastValueFrom(client.emit('chain', record))).rejects.toMatchObject({
      code: 'EVENT_INVALID',
    });
  });
});
