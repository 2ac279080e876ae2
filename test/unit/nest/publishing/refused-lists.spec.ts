import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  type AggregateEvent,
  type AggregatePublisher,
  AggregateTransportModule,
  type PublishAllError,
  type PublishResult,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule } from 'nestjs-aggregate-transport/testing';
import { publisherOf } from '../../../support/app.js';
import { SAYS_ALL } from '../../../support/says-all.js';

let app: INestApplication;
let publisher: AggregatePublisher;

async function created(): Promise<INestApplication> {
  const module = await Test.createTestingModule({
    imports: [
      AggregateTransportTestingModule.forRoot({ topics: { lists: {} } }),
      AggregateTransportModule.forFeature(['lists']),
    ],
  }).compile();
  return module.createNestApplication({ logger: false });
}

beforeAll(async () => {
  app = await created();
  await app.init();
  publisher = publisherOf(app, 'lists');
});
afterAll(() => app.close());

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

async function history(id: string, from = publisher): Promise<unknown[]> {
  const payloads: unknown[] = [];
  for await (const { payload } of from.read(id)) payloads.push(payload);
  return payloads;
}

async function failureOf(call: Promise<unknown>): Promise<PublishAllError> {
  return call.then(
    () => expect(undefined).toBe('a rejection'),
    (error: unknown) => error,
  ) as Promise<PublishAllError>;
}

const codesOf = ({ results }: PublishAllError): string[] =>
  results.map((result) => ('code' in result ? result.code : 'stored'));

describe('a list with an event that is refused', () => {
  const refused: [what: string, bad: (id: string) => AggregateEvent, code: string][] = [
    ['NaN', (id) => event(id, Number.NaN), 'PAYLOAD_NOT_SERIALIZABLE'],
    ['a blank type', (id) => event(id, 2, { type: ' ' }), 'EVENT_INVALID'],
    ['too much', (id) => event(id, 'x'.repeat(1_048_576)), 'EVENT_TOO_LARGE'],
    ['a reserved header', (id) => event(id, 2, { headers: { 'Nats-Rollup': 'all' } }), 'HEADER_RESERVED'],
  ];

  test.each(refused)('sends nothing of its aggregate from that event on: %s', async (_what, bad, code) => {
    const [id, other] = [fresh(), fresh()];
    const failure = await failureOf(
      publisher.publishAll([event(id, 1), event(other, 'a'), bad(id), event(other, 'b'), event(id, 3)]),
    );
    expect(codesOf(failure)).toEqual(['stored', 'stored', code, 'stored', 'PREDECESSOR_REJECTED']);
    expect(failure.results[4]).toMatchObject({ cause: failure.results[2] });
    expect(await history(id)).toEqual([1]);
    expect(await history(other)).toEqual(['a', 'b']);
  });

  test('sends nothing of its aggregate either while the topic is being opened', async () => {
    const starting = await created();
    const early = publisherOf(starting, 'lists');
    const id = fresh();
    const list = failureOf(early.publishAll([event(id, 1), event(id, Number.NaN), event(id, 3)]));
    const later = early.publish(event(id, 4));
    expect(early.pending).toBe(4);
    expect(codesOf(await list)).toEqual(['stored', 'PAYLOAD_NOT_SERIALIZABLE', 'PREDECESSOR_REJECTED']);
    await later;
    expect(await history(id, early)).toEqual([1, 4]);
    await starting.close();
  });

  test('tells each outcome once to results$', async () => {
    const seen: PublishResult[] = [];
    const own = publisherOf(app, 'lists');
    const subscription = own.results$.subscribe((result) => seen.push(result));
    const id = fresh();
    await failureOf(own.publishAll([event(id, 1), event(id, Number.NaN), event(id, 3)]));
    subscription.unsubscribe();
    expect(seen.map((result) => [result.event.payload, result.outcome])).toEqual(
      expect.arrayContaining([
        [1, 'stored'],
        [Number.NaN, 'failed'],
        [3, 'failed'],
      ]),
    );
    expect(seen).toHaveLength(3);
  });
});

describe('an aggregate root', () => {
  const rootOf = (events: unknown[]) => ({
    events,
    getUncommittedEvents: () => events,
    uncommit: () => void events.splice(0),
  });

  test('sends nothing and keeps all of its events if one is refused; a repaired call stores each once', async () => {
    const id = fresh();
    const root = rootOf([4, Number.NaN, 6]);
    const failure = await failureOf(publisher.publishAggregate(root, (payload) => event(id, payload)));
    expect(codesOf(failure)).toEqual([
      'PREDECESSOR_REJECTED',
      'PAYLOAD_NOT_SERIALIZABLE',
      'PREDECESSOR_REJECTED',
    ]);
    expect((failure.results[0] as Error).message).toMatch(/another event of the same list was refused/);
    expect(root.events).toHaveLength(3);
    expect(await history(id)).toEqual([]);
    root.events[1] = 5;
    await publisher.publishAggregate(root, (payload) => event(id, payload));
    expect(root.events).toEqual([]);
    expect(await history(id)).toEqual([4, 5, 6]);
  });
});

describe('single calls that are not awaited', () => {
  test('store what is called after an event that its call refused: that one was never queued', async () => {
    const id = fresh();
    const calls = [1, Number.NaN, 3].map((payload) => publisher.publish(event(id, payload)));
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await history(id)).toEqual([1, 3]);
  });
});

describe('the options of a call', () => {
  const wrong: [what: string, options: unknown, text: RegExp][] = [
    [
      'a field of the event',
      { expectedSequence: 9 },
      /found "expectedSequence".*expectedSequence is a field of the event/,
    ],
    ['a misspelt one', { singal: AbortSignal.abort() }, /options signal in publish, found "singal"/],
    ['no signal', { signal: 5 }, /options\.signal of publish to be an AbortSignal/],
    ['no object', 'x', /options of publish to be an object, found string/],
    ['null', null, /options of publish to be an object, found null/],
  ];

  test.each(wrong)('are refused by name, and nothing is sent: %s', async (_what, options, text) => {
    const id = fresh();
    const calls = [
      publisher.publish(event(id, 1), options as never),
      publisher.publishAll([event(id, 1)], options as never),
    ];
    for (const call of calls) {
      const error = await failureOf(call);
      expect(error).toMatchObject({ code: 'EVENT_INVALID' });
      expect(error.message).toMatch(text);
      expect(error.message).toMatch(SAYS_ALL);
    }
    expect(await history(id)).toEqual([]);
  });

  test.each<[options: unknown, text: RegExp]>([
    [{ from: 3 }, /options fromSequence in read, found "read\.from"/],
    [{ fromSequence: 'x' }, /read\.fromSequence to be a whole number from 0, found "x"/],
    [null, /read to be an object, found null/],
  ])('of a read are refused by name: %p', async (options, text) => {
    const reading = publisher.read(fresh(), options as never).next();
    await expect(reading).rejects.toMatchObject({ code: 'OPTIONS_INVALID' });
    await expect(publisher.read(fresh(), options as never).next()).rejects.toThrow(text);
  });
});
