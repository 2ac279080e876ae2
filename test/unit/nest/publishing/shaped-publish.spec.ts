import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import fc from 'fast-check';
import {
  AggregateClient,
  type AggregatePublisher,
  AggregateRecord,
  AggregateTransportError,
  AggregateTransportModule,
  defineTopic,
  getAggregatePublisherToken,
  PayloadRefusedError,
  type PublishAllError,
  type PublishResult,
  type TopicRef,
  type,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';
import { lastValueFrom } from 'rxjs';
import { z } from 'zod';

/** Answers later, when the test says so: by the payload's `n`. */
class Answers {
  readonly #waiting = new Map<number, () => void>();
  readonly schema = z.object({ n: z.number() }).refine(async ({ n }) => {
    await new Promise<void>((resolve) => this.#waiting.set(n, resolve));
    return n >= 0;
  }, 'is below zero');

  get asked(): number[] {
    return [...this.#waiting.keys()];
  }

  answer(n: number): void {
    this.#waiting.get(n)!();
  }
}

let answers: Answers;
let app: INestApplication;
let streams: TestingStreams;
let publisher: AggregatePublisher;

function topicOf(later: Answers) {
  return defineTopic('orders', {
    Placed: {
      version: 3,
      schema: z.object({ lines: z.array(z.string()), note: z.string().default('none') }),
      upcast: {
        1: (old: { line: string }) => ({ line: old.line.trim() }),
        2: (old: { line: string }) => ({ lines: [old.line] }),
      },
    },
    Later: { version: 2, schema: later.schema, upcast: { 1: (n: number) => ({ n }) } },
    Paid: type<{ n: number }>(),
  });
}

async function start(topics: readonly TopicRef[], maxPending = 1_000): Promise<void> {
  const options = { group: 'shop', topics: { orders: { publish: { maxPending, maxBlocked: 1 } } } };
  const module = await Test.createTestingModule({
    imports: [
      AggregateTransportTestingModule.forRoot(options, (streams = new TestingStreams())),
      AggregateTransportModule.forFeature(topics),
    ],
  }).compile();
  app = module.createNestApplication({ logger: false });
  await app.init();
  publisher = app.get(getAggregatePublisherToken('orders'));
}

beforeEach(async () => {
  answers = new Answers();
  await start([topicOf(answers)]);
});

afterEach(() => app.close());

async function refusalOf(call: Promise<unknown>): Promise<AggregateTransportError> {
  const error = await call.then(
    () => undefined,
    (found: unknown) => found,
  );
  expect(error).toBeInstanceOf(AggregateTransportError);
  return error as AggregateTransportError;
}

const later = (aggregateId: string, n: number, signal?: AbortSignal): Promise<unknown> =>
  publisher.publish({ aggregateId, type: 'Later', payload: { n } }, signal && { signal });

const paid = (aggregateId: string, n: number): Promise<unknown> =>
  publisher.publish({ aggregateId, type: 'Paid', payload: { n } });

const stored = (): string[] =>
  streams.events('orders').map((event) => `${event.aggregateId} ${(event.payload as { n: number }).n}`);

describe('a payload', () => {
  test('is stored as it was given, under the declared version', async () => {
    await publisher.publish({ aggregateId: 'a', type: 'Placed', payload: { lines: ['x'] } });
    await publisher.publish({ aggregateId: 'a', type: 'Paid', payload: { n: 1 } });
    await publisher.publish({ aggregateId: 'a', type: 'Unlisted', payload: 7, version: 9 });
    const found = streams.events('orders').map(({ version, payload }) => ({ version, payload }));
    expect(found).toEqual([
      { version: 3, payload: { lines: ['x'] } },
      { version: 1, payload: { n: 1 } },
      { version: 9, payload: 7 },
    ]);
    const read: unknown[] = [];
    for await (const { version, payload } of publisher.read('a')) read.push({ version, payload });
    expect(read[0]).toEqual({ version: 3, payload: { lines: ['x'], note: 'none' } });
  });

  test('of an older version is stored as such, after its upcasters have been tried on it', async () => {
    await publisher.publish({ aggregateId: 'a', type: 'Placed', version: 1, payload: { line: ' x ' } });
    expect(streams.events('orders')).toMatchObject([{ version: 1, payload: { line: ' x ' } }]);
    const error = await refusalOf(
      publisher.publish({ aggregateId: 'a', type: 'Placed', version: 1, payload: { lines: ['x'] } }),
    );
    expect(error.code).toBe('EVENT_INVALID');
    expect(error.message).toMatch(/version 1, .* upcast\[1\] \(version 1 to 2\) throws TypeError/);
  });

  test('that the schema refuses is sent by none of the ways, and the error says where', async () => {
    const event = { aggregateId: 'a', type: 'Placed', payload: { lines: ['SECRET', 5] } };
    const results: PublishResult[] = [];
    publisher.results$.subscribe((result) => results.push(result));
    const error = await refusalOf(publisher.publish(event));
    expect(error).toBeInstanceOf(PayloadRefusedError);
    expect(error.code).toBe('EVENT_INVALID');
    expect((error as PayloadRefusedError).issues).toEqual([
      { path: '.lines[1]', message: 'Invalid input: expected string, received number' },
    ]);
    expect(error.message).toMatch(
      /"Placed", version 3, .*payload\.lines\[1\]: Invalid input.*nothing was sent/,
    );
    expect(error.message).not.toContain('SECRET');
    expect(results).toMatchObject([{ outcome: 'failed', event }]);

    const all = (await refusalOf(
      publisher.publishAll([
        { aggregateId: 'a', type: 'Paid', payload: { n: 1 } },
        event,
        { aggregateId: 'a', type: 'Paid', payload: { n: 2 } },
        { aggregateId: 'b', type: 'Paid', payload: { n: 3 } },
      ]),
    )) as PublishAllError;
    expect(all.results.map((one) => ('code' in one ? one.code : 'stored'))).toEqual([
      ...['stored', 'EVENT_INVALID', 'PREDECESSOR_REJECTED', 'stored'],
    ]);
    const record = new AggregateRecord(event);
    const emitted = await refusalOf(lastValueFrom(app.get(AggregateClient).emit('orders', record)));
    expect(emitted.code).toBe('EVENT_INVALID');
    expect((await refusalOf(publisher.check(event))).code).toBe('EVENT_INVALID');
    expect(stored()).toEqual(['a 1', 'b 3']);
  });

  test('of a version that this process does not know is not sent', async () => {
    const error = await refusalOf(
      publisher.publish({ aggregateId: 'a', type: 'Placed', version: 4, payload: { lines: [] } }),
    );
    expect(error.code).toBe('EVENT_INVALID');
    expect(error.message).toMatch(/version 3 at most, found version 4; nothing was sent/);
  });

  test('whose getter throws is refused, and nothing else suffers', async () => {
    const payload = Object.defineProperty({}, 'lines', {
      enumerable: true,
      get: () => {
        throw new Error('no lines');
      },
    });
    const error = await refusalOf(publisher.publish({ aggregateId: 'a', type: 'Placed', payload }));
    expect(['EVENT_INVALID', 'PAYLOAD_NOT_SERIALIZABLE']).toContain(error.code);
    await paid('a', 1);
  });
});

describe('while a schema answers later', () => {
  test('no later call of the aggregate overtakes, and other aggregates do not wait', async () => {
    const calls = [later('a', 1), paid('a', 2), later('a', 3), paid('b', 4)];
    await calls[3];
    expect(stored()).toEqual(['b 4']);
    expect(publisher.pending).toBe(3);
    answers.answer(3);
    answers.answer(1);
    await Promise.all(calls);
    expect(stored()).toEqual(['b 4', 'a 1', 'a 2', 'a 3']);
    expect(publisher.pending).toBe(0);
  });

  test('lists keep their place, too, with all their aggregates', async () => {
    const list = publisher.publishAll([
      { aggregateId: 'a', type: 'Paid', payload: { n: 1 } },
      { aggregateId: 'b', type: 'Later', payload: { n: 2 } },
    ]);
    const calls = [list, paid('a', 3), paid('b', 4), paid('c', 5)];
    await calls[3];
    answers.answer(2);
    await Promise.all(calls);
    expect(stored()).toEqual(['c 5', 'a 1', 'b 2', 'a 3', 'b 4']);
  });

  test('a refusal lets the next call pass, and so does a caller that calls off', async () => {
    const end = new AbortController();
    const refused = refusalOf(later('a', -1));
    const calledOff = refusalOf(later('a', 2, end.signal));
    const next = paid('a', 3);
    end.abort(new Error('enough'));
    expect((await calledOff).code).toBe('ABORTED');
    expect(stored()).toEqual([]);
    answers.answer(-1);
    expect((await refused).message).toMatch(/payload: is below zero/);
    await next;
    expect(stored()).toEqual(['a 3']);
    expect((await refusalOf(later('a', 4, end.signal))).code).toBe('ABORTED');
  });

  describe('and an earlier event, which is queued, is refused', () => {
    const refused = (aggregateId: string, n: number): Promise<AggregateTransportError> =>
      refusalOf(publisher.publish({ aggregateId, type: 'Paid', payload: { n }, expectedSequence: 99 }));

    test('calls that wait are refused with it, at once, and calls made after that are stored', async () => {
      const first = refused('a', 1);
      const waiting = [later('a', 2), paid('a', 3)].map(refusalOf);
      const other = paid('b', 4);
      expect((await first).code).toBe('SEQUENCE_CONFLICT');
      const codes = (await Promise.all(waiting)).map(({ code, cause }) => [code, cause]);
      expect(codes).toEqual(waiting.map(() => ['PREDECESSOR_REJECTED', expect.anything()]));
      await Promise.all([other, paid('a', 5)]);
      answers.answer(2);
      await streams.settle();
      expect(stored().toSorted()).toEqual(['a 5', 'b 4']);
      expect([publisher.pending, publisher.failed]).toEqual([0, 3]);
    });

    test('a list that waits loses its events of that aggregate, at once, and no other', async () => {
      const first = refused('a', 1);
      const events = [
        { aggregateId: 'a', type: 'Paid', payload: { n: 2 } },
        { aggregateId: 'b', type: 'Later', payload: { n: 3 } },
        { aggregateId: 'a', type: 'Later', payload: { n: 4 } },
      ];
      const list = refusalOf(publisher.publishAll(events));
      const outcomes: PublishResult[] = [];
      publisher.results$.subscribe((result) => outcomes.push(result));
      await first;
      await streams.settle();
      expect(stored()).toEqual([]);
      for (const n of [3, 4]) answers.answer(n);
      const { results } = (await list) as PublishAllError;
      expect(results.map((one) => ('code' in one ? one.code : 'stored'))).toEqual([
        ...['PREDECESSOR_REJECTED', 'stored', 'PREDECESSOR_REJECTED'],
      ]);
      expect(stored()).toEqual(['b 3']);
    });

    test('a list that goes whole or not at all does not go', async () => {
      const first = refused('a', 1);
      const uncommitted = ['b', 'a'].map((aggregateId) => ({
        aggregateId,
        type: 'Later',
        payload: { n: aggregateId === 'a' ? 2 : 3 },
      }));
      const aggregate = { getUncommittedEvents: () => uncommitted, uncommit: () => undefined };
      const whole = refusalOf(publisher.publishAggregate(aggregate, (event) => event));
      await first;
      const { results } = (await whole) as PublishAllError;
      expect(results).toMatchObject(results.map(() => ({ code: 'PREDECESSOR_REJECTED' })));
      for (const n of [3, 2]) answers.answer(n);
      await paid('b', 4);
      expect(stored()).toEqual(['b 4']);
    });

    test('what is checked for an outbox is not touched: it is sent by another', async () => {
      const first = refused('a', 1);
      const checked = publisher.check({ aggregateId: 'a', type: 'Later', payload: { n: 2 } });
      await first;
      answers.answer(2);
      await expect(checked).resolves.toMatchObject({ token: 'a' });
    });
  });

  test('a schema that never answers holds its aggregate for 10 s, and is named', async () => {
    const hanging = refusalOf(later('a', 1));
    const next = paid('a', 2);
    await streams.advance(9_999);
    expect(stored()).toEqual([]);
    await streams.advance(1);
    const { code, message } = await hanging;
    expect([code, message]).toEqual([
      'EVENT_INVALID',
      expect.stringMatching(/schema to answer within 10000 ms/),
    ]);
    await next;
    expect(stored()).toEqual(['a 2']);
  });

  test('flush and the end of the application wait for it', async () => {
    const call = later('a', 1);
    let isFlushed = false;
    const flushed = publisher.flush().then(() => (isFlushed = true));
    await streams.settle();
    expect(isFlushed).toBe(false);
    const closed = app.close();
    answers.answer(1);
    await Promise.all([call, flushed, closed]);
    expect(stored()).toEqual(['a 1']);
  });

  test('more calls than publish allows are turned away', async () => {
    await app.close();
    await start([topicOf(answers)], 2);
    const calls = [later('a', 1), later('b', 2), paid('a', 3)];
    expect((await refusalOf(later('c', 4))).code).toBe('PUBLISHER_SATURATED');
    await paid('d', 5);
    for (const n of [2, 1]) answers.answer(n);
    await Promise.all(calls);
    expect(stored()).toEqual(['d 5', 'b 2', 'a 1', 'a 3']);
  });

  test('what is checked for an outbox resolves in call order', async () => {
    const order: string[] = [];
    const check = (name: string, ...events: { aggregateId: string; type: string; payload: unknown }[]) =>
      publisher.checkAll(events).then((checked) => order.push(`${name} ${checked.length}`));
    const event = (aggregateId: string, kind: string, n: number) => ({
      aggregateId,
      type: kind,
      payload: { n },
    });
    const checks = [
      check('first', event('a', 'Paid', 1), event('b', 'Later', 2)),
      check('second', event('a', 'Paid', 3)),
      check('other', event('c', 'Paid', 4)),
    ];
    await checks[2];
    answers.answer(2);
    await Promise.all(checks);
    expect(order).toEqual(['other 1', 'first 2', 'second 1']);
  });
});

test('in any order of calls and answers each aggregate is stored in call order', async () => {
  const call = fc.record({
    id: fc.constantFrom('a', 'b', 'c'),
    kind: fc.constantFrom('Later', 'Paid', 'Later', 'list'),
    answersAt: fc.nat({ max: 100 }),
    isRefused: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 12 }), async (calls) => {
      await app.close();
      answers = new Answers();
      await start([topicOf(answers)]);
      const outcomes = calls.map(({ id, kind, isRefused }, index) => {
        const n = isRefused && kind === 'Later' ? -1 - index : index;
        if (kind !== 'list')
          return publisher.publish({ aggregateId: id, type: kind, payload: { n } }).catch(() => undefined);
        const others = ['a', 'b', 'c'].filter((other) => other !== id).slice(0, 1);
        const events = [id, ...others].map((aggregateId) => ({ aggregateId, type: 'Later', payload: { n } }));
        return publisher.publishAll(events).catch(() => undefined);
      });
      for (const n of answers.asked.toSorted((x, y) => weightOf(calls, x) - weightOf(calls, y))) {
        answers.answer(n);
        await streams.settle();
      }
      // Those of a list ask twice under one number.
      for (let round = 0; round < 3; round++) for (const n of answers.asked) answers.answer(n);
      await streams.advance(10_000);
      await Promise.all(outcomes);
      for (const id of ['a', 'b', 'c']) {
        const numbers = stored()
          .filter((line) => line.startsWith(id))
          .map((line) => Number(line.slice(2)));
        expect(numbers).toEqual(numbers.toSorted((x, y) => x - y));
        const plain = calls.flatMap((one, n) => (one.id === id && one.kind === 'Paid' ? [n] : []));
        expect(numbers).toEqual(expect.arrayContaining(plain));
      }
    }),
    { numRuns: 25 },
  );
});

test('in any order of answers nothing is stored that was called after an event which the stream refuses', async () => {
  const call = fc.record({
    id: fc.constantFrom('a', 'b'),
    kind: fc.constantFrom('Later', 'Paid', 'refused'),
    answersAt: fc.nat({ max: 100 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 12 }), async (calls) => {
      await app.close();
      answers = new Answers();
      await start([topicOf(answers)]);
      const codes: string[] = [];
      const outcomes = calls.map(({ id, kind }, n) => {
        const type = kind === 'refused' ? 'Paid' : kind;
        const expected = kind === 'refused' ? { expectedSequence: 99 } : {};
        return publisher.publish({ aggregateId: id, type, payload: { n }, ...expected }).then(
          () => (codes[n] = 'stored'),
          (error: unknown) => (codes[n] = (error as AggregateTransportError).code),
        );
      });
      for (const n of answers.asked.toSorted((x, y) => weightOf(calls, x) - weightOf(calls, y))) {
        answers.answer(n);
        await streams.settle();
      }
      await Promise.all(outcomes);
      for (const id of ['a', 'b']) {
        const ofId = calls.flatMap((one, n) => (one.id === id ? [{ ...one, code: codes[n] }] : []));
        const first = ofId.findIndex(({ kind }) => kind === 'refused');
        const expected = ofId.map((_, index) =>
          first < 0 || index < first
            ? 'stored'
            : index === first
              ? 'SEQUENCE_CONFLICT'
              : 'PREDECESSOR_REJECTED',
        );
        expect(ofId.map(({ code }) => code)).toEqual(expected);
      }
    }),
    { numRuns: 50 },
  );
});

function weightOf(calls: readonly { readonly answersAt: number }[], n: number): number {
  return calls[n < 0 ? -1 - n : n]?.answersAt ?? 0;
}

test('one application has one definition with shapes for a topic, wherever it is used', async () => {
  const { client } = { client: app.get(AggregateClient) };
  const record = new AggregateRecord({ aggregateId: 'a', type: 'Paid', payload: { n: 1 } });
  const error = await refusalOf(lastValueFrom(client.emit(topicOf(answers), record)));
  expect(error.code).toBe('OPTIONS_INVALID');
  expect(error.message).toMatch(/one defineTopic with shapes for topic "orders", found two/);
  // Names and types alone are no second definition.
  await lastValueFrom(client.emit('orders', record));
  await lastValueFrom(client.emit(defineTopic<{ Paid: number }>('orders'), record));
  await lastValueFrom(client.emit(defineTopic('orders', { Paid: type<number>() }), record));
  expect(stored()).toEqual(['a 1', 'a 1', 'a 1']);
});

test('a topic that types alone define is not checked at all', async () => {
  await app.close();
  await start([defineTopic('orders', { Paid: type<{ n: number }>() })]);
  await publisher.publish({ aggregateId: 'a', type: 'Paid', version: 7, payload: { n: 1 } });
  expect(streams.events('orders')).toMatchObject([{ version: 7 }]);
});
