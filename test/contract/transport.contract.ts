import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Controller, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateId,
  type AggregatePublisher,
  type StoredEvent,
} from 'nestjs-aggregate-transport';
import { allOf, counted, fresh, RETRY, type RunningApp, TOPIC, type World } from './world.js';

/** What the transport promises, on a nats-server and on streams in memory. */
export function describeTransport(name: string, world: World): void {
  describe(`the transport on ${name}`, () => {
    const running: RunningApp[] = [];
    const start = async (group: string, controller?: Type): Promise<RunningApp> => {
      const app = await world.start(group, controller);
      running.push(app);
      return app;
    };
    const history = (publisher: AggregatePublisher, id: string): Promise<StoredEvent[]> =>
      allOf(publisher.read(id));

    beforeAll(() => world.open());
    afterEach(async () => {
      for (const app of running.splice(0)) await app.close();
    });
    afterAll(() => world.close());

    test('stores events of an aggregate in call order, and reads them back', async () => {
      const { publisher } = await start('order');
      const [a, b] = [fresh('a.b'), fresh('größe')];
      const receipts = await publisher.publishAll(
        [1, 2, 3].flatMap((n) => [counted(a, n, { headers: { n: `${n}` } }), counted(b, n)]),
      );
      const sequences = receipts.map(({ sequence }) => sequence);
      expect(sequences).toEqual([...new Set(sequences)]);
      const stored = await history(publisher, a);
      expect(stored.map(({ payload, headers }) => [payload, headers['n']])).toEqual([
        [1, '1'],
        [2, '2'],
        [3, '3'],
      ]);
      expect(stored.map(({ sequence }) => sequence)).toEqual([0, 2, 4].map((index) => sequences[index]));
      expect(await publisher.lastSequence(a)).toBe(sequences[4]);
      expect(await publisher.lastSequence(fresh('unknown'))).toBe(0);
    });

    test('stores an event id once per aggregate', async () => {
      const { publisher } = await start('dedup');
      const [a, b] = [fresh('a'), fresh('b')];
      const first = await publisher.publish(counted(a, 1, { eventId: 'same' }));
      const again = await publisher.publish(counted(a, 1, { eventId: 'same' }));
      const other = await publisher.publish(counted(b, 1, { eventId: 'same' }));
      expect([first.duplicate, again, other.duplicate]).toEqual([
        false,
        { ...first, duplicate: true },
        false,
      ]);
      expect(await history(publisher, a)).toHaveLength(1);
    });

    test('refuses an event that expects another last one, and the events queued after it', async () => {
      const { publisher } = await start('expected');
      const a = fresh('a');
      const first = await publisher.publish(counted(a, 1, { expectedSequence: 0 }));
      const outcomes = await Promise.allSettled([
        publisher.publish(counted(a, 2, { expectedSequence: 0 })),
        publisher.publish(counted(a, 3)),
      ]);
      expect(outcomes).toMatchObject([
        { reason: { code: 'SEQUENCE_CONFLICT', actualSequence: first.sequence } },
        { reason: { code: 'PREDECESSOR_REJECTED' } },
      ]);
      await publisher.publish(counted(a, 4, { expectedSequence: first.sequence }));
      expect((await history(publisher, a)).map(({ payload }) => payload)).toEqual([1, 4]);
    });

    test('stores a list whose first event expects a sequence as one chain, or nothing of it', async () => {
      const { publisher } = await start('chain');
      const [a, b] = [fresh('a'), fresh('b')];
      await publisher.publishAll([
        counted(a, 1, { expectedSequence: 0 }),
        ...[counted(b, 1), counted(a, 2), counted(b, 2), counted(a, 3)],
      ]);
      const wrong = publisher.publishAll([counted(a, 4, { expectedSequence: 0 }), counted(a, 5)]);
      await expect(wrong).rejects.toMatchObject({
        results: [{ code: 'SEQUENCE_CONFLICT' }, { code: 'PREDECESSOR_REJECTED' }],
      });
      const last = await publisher.lastSequence(a);
      await publisher.publishAll([counted(a, 6, { expectedSequence: last }), counted(a, 7)]);
      expect((await history(publisher, a)).map(({ payload }) => payload)).toEqual([1, 2, 3, 6, 7]);
    });

    test('handles events of an aggregate in stored order, one at a time, and aggregates side by side', async () => {
      const [slow, fast] = [fresh('slow'), fresh('fast')];
      const handled: string[] = [];
      const running = new Set<string>();
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));

      @Controller()
      class Handler {
        @AggregateHandler(TOPIC)
        async handle(@Payload() n: number, @AggregateId() id: string) {
          if (id !== slow && id !== fast) return;
          if (running.has(id)) handled.push('overlap');
          running.add(id);
          if (id === slow) await held;
          running.delete(id);
          handled.push(`${id === slow ? 'slow' : 'fast'} ${n}`);
        }
      }
      const { publisher } = await start('side-by-side', Handler);
      await publisher.publishAll([1, 2, 3].flatMap((n) => [counted(slow, n), counted(fast, n)]));
      await world.until('the fast one is done', () => handled.length === 3);
      expect(handled).toEqual(['fast 1', 'fast 2', 'fast 3']);
      release();
      await world.until('the slow one is done', () => handled.length === 6);
      expect(handled.slice(3)).toEqual(['slow 1', 'slow 2', 'slow 3']);
    });

    test('retries a failed event in its place, after its wait', async () => {
      const [failing, other] = [fresh('failing'), fresh('other')];
      const steps: string[] = [];

      @Controller()
      class Handler {
        @AggregateHandler(TOPIC, { retry: RETRY })
        handle(@Payload() n: number, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
          if (id !== failing && id !== other) return;
          steps.push(`${id === failing ? 'failing' : 'other'} ${n} attempt ${ctx.attempt}`);
          if (id === failing && n === 1 && ctx.attempt < 3) throw new Error('not yet');
        }
      }
      const { publisher } = await start('retry', Handler);
      await publisher.publishAll([counted(failing, 1), counted(failing, 2), counted(other, 1)]);
      await world.until('the first attempts', () => steps.length === 2);
      await world.settle();
      expect([...steps].sort()).toEqual(['failing 1 attempt 1', 'other 1 attempt 1']);
      await world.advance(100);
      await world.until('the second attempt', () => steps.length === 3);
      await world.advance(200);
      await world.until('the third attempt, and the event after it', () => steps.length === 5);
      expect(steps.slice(2)).toEqual(['failing 1 attempt 2', 'failing 1 attempt 3', 'failing 2 attempt 1']);
    });

    test('resumes after a restart: settled events do not come again, the others do, in order', async () => {
      const [a, b] = [fresh('a'), fresh('b')];
      const handled: string[] = [];
      let blocked = true;

      @Controller()
      class Handler {
        @AggregateHandler(TOPIC, { retry: RETRY, onExhausted: 'block' })
        handle(@Payload() n: number, @AggregateId() id: string) {
          if (id !== a && id !== b) return;
          if (id === b && n === 2 && blocked) throw new Error('blocked');
          handled.push(`${id === a ? 'a' : 'b'} ${n}`);
        }
      }
      const first = await start('restart', Handler);
      await first.publisher.publishAll([1, 2, 3].flatMap((n) => [counted(a, n), counted(b, n)]));
      await world.until('what can be handled is', () => handled.length === 4);
      await world.settle();
      await running.splice(0)[0]!.close();
      expect(handled.filter((step) => step.startsWith('b'))).toEqual(['b 1']);
      blocked = false;
      const second = await start('restart', Handler);
      await world.until('the rest is handled', () => handled.length === 6);
      await second.publisher.publish(counted(a, 4));
      await world.until('the new one is handled', () => handled.length === 7);
      expect(handled.slice(4)).toEqual(['b 2', 'b 3', 'a 4']);
    });
  });
}
