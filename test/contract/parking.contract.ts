import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Controller, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { AggregateContext, AggregateHandler, AggregateId } from 'nestjs-aggregate-transport';
import { allOf, counted, fresh, RETRY, type RunningApp, SMALL, TOPIC, type World } from './world.js';

/** What happens to events that no handler can take, on a nats-server and in memory. */
export function describeParking(name: string, world: World): void {
  describe(`parking on ${name}`, () => {
    const running: RunningApp[] = [];
    const start = async (group: string, controller: Type): Promise<RunningApp> => {
      const app = await world.start(group, controller);
      running.push(app);
      return app;
    };
    /** A command polls for its answer, so time has to pass. */
    /** A command waits for its answer by the same clock. */
    const told = async <T>(command: Promise<T>): Promise<T> => {
      const ended = command.then(
        () => true,
        () => true,
      );
      for (let moved = 0; moved < 20_000; moved += 500)
        if (await Promise.race([ended, world.advance(500).then(() => false)])) break;
      return command;
    };

    beforeAll(() => world.open());
    afterEach(async () => {
      for (const app of running.splice(0)) await app.close();
    });
    afterAll(() => world.close());

    test('parks one aggregate, keeps it parked through a restart, and replays its letters in order', async () => {
      const [failing, other] = [fresh('failing'), fresh('other')];
      const handled: string[] = [];
      let broken = true;

      @Controller()
      class Handler {
        @AggregateHandler(TOPIC, { retry: { ...RETRY, attempts: 2 } })
        handle(@Payload() n: number, @AggregateId() id: string) {
          if (id !== failing && id !== other) return;
          if (id === failing && broken) throw new Error('größer als erlaubt');
          handled.push(`${id === failing ? 'failing' : 'other'} ${n}`);
        }
      }
      const group = 'parking';
      const first = await start(group, Handler);
      const lettersOf = async ({ parked }: RunningApp): Promise<[unknown, string | undefined][]> => {
        const letters = await allOf(parked.letters({ topic: TOPIC, aggregateId: failing }));
        return letters.map(({ event, headers }) => [event?.payload, headers['n']]);
      };
      const receipts = await first.publisher.publishAll(
        [1, 2].flatMap((n) => [counted(failing, n, { headers: { n: `${n}` } }), counted(other, n)]),
      );
      await world.until('the other is handled', () => handled.length === 2);
      await world.settle();
      await world.advance(100);
      await world.until('its events are letters', async () => (await lettersOf(first)).length === 2);
      expect(await first.parked.list({ topic: TOPIC })).toMatchObject([
        {
          group,
          aggregateId: failing,
          state: 'parked',
          reason: 'EXHAUSTED',
          attempts: 2,
          letters: 2,
        },
      ]);
      const [letter] = await allOf(first.parked.letters({ topic: TOPIC, aggregateId: failing }));
      const [event] = await allOf(first.publisher.read(failing));
      expect(letter).toMatchObject({
        sequence: receipts[0]!.sequence,
        error: expect.stringContaining('größer'),
      });
      expect(Math.abs(letter!.storedAt.getTime() - event!.timestamp.getTime())).toBeLessThan(10_000);
      await running.splice(0)[0]!.close();

      const second = await start(group, Handler);
      const retry = (): Promise<unknown> => told(second.parked.retry({ topic: TOPIC, aggregateId: failing }));
      await second.publisher.publish(counted(failing, 3, { headers: { n: '3' } }));
      await world.until('the new one is a letter', async () => (await lettersOf(second)).length === 3);
      expect(await retry()).toMatchObject({ outcome: 'failed' });
      expect(await lettersOf(second)).toEqual([
        [1, '1'],
        [2, '2'],
        [3, '3'],
      ]);
      broken = false;
      expect(await retry()).toEqual({ outcome: 'unparked' });
      await second.publisher.publish(counted(failing, 4));
      await world.until('it is live again', () => handled.length === 6);
      expect(handled).toEqual(['other 1', 'other 2', ...[1, 2, 3, 4].map((n) => `failing ${n}`)]);
      expect(await second.parked.list({ topic: TOPIC })).toEqual([]);
      await expect(retry()).rejects.toMatchObject({ code: 'NOT_PARKED' });
    });

    test('handles the payload that an operator puts in the place of a letter, in order', async () => {
      const a = fresh('edited');
      const handled: unknown[] = [];

      @Controller()
      class Handler {
        @AggregateHandler(TOPIC, { retry: { ...RETRY, attempts: 1 } })
        handle(@Payload() n: number, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
          if (id !== a) return;
          if (n === 2) throw new Error('not two');
          handled.push([n, ctx.sequence, ctx.edit?.comment]);
        }
      }
      const { publisher, parked } = await start('edited', Handler);
      const receipts = await publisher.publishAll([1, 2, 3].map((n) => counted(a, n)));
      const address = { topic: TOPIC, aggregateId: a };
      await world.until('two letters', async () => (await allOf(parked.letters(address))).length === 2);
      await world.settle();
      const [, second, third] = receipts.map(({ sequence }) => sequence);
      const result = await told(parked.edit(address, 20, { comment: 'a typo' }));
      expect(result).toMatchObject({ sequence: second, replacedEdit: false });
      const letters = await allOf(parked.letters(address));
      expect(letters.map(({ event, edit, replacedBy }) => [event?.payload, edit?.id, replacedBy])).toEqual([
        [2, undefined, result.editId],
        [20, result.editId, undefined],
        [3, undefined, undefined],
      ]);
      expect(await told(parked.retry(address))).toEqual({ outcome: 'unparked' });
      expect(handled.slice(1)).toEqual([
        [20, second, 'a typo'],
        [3, third, undefined],
      ]);
      const kept = await allOf(parked.edits(address));
      expect(kept.map(({ event, replacedBy }) => [event?.payload, replacedBy])).toEqual([
        [20, undefined],
        [2, result.editId],
      ]);
      expect(await allOf(parked.skipped({ topic: TOPIC }))).toEqual([]);
    });

    test('keeps a skipped event, and continues without it', async () => {
      const a = fresh('skipping');
      const handled: number[] = [];

      @Controller()
      class Handler {
        @AggregateHandler(TOPIC, { retry: { ...RETRY, attempts: 1 }, onExhausted: 'skip' })
        handle(@Payload() n: number, @AggregateId() id: string) {
          if (id !== a) return;
          if (n === 2) throw new Error('not this one');
          handled.push(n);
        }
      }
      const { publisher, parked } = await start('skipping', Handler);
      await publisher.publishAll([1, 2, 3].map((n) => counted(a, n)));
      await world.until('the others are handled', () => handled.length === 2);
      expect(handled).toEqual([1, 3]);
      const skipped = await allOf(parked.skipped({ topic: TOPIC }));
      expect(skipped.map(({ aggregateId, event }) => [aggregateId, event?.payload])).toEqual([[a, 2]]);
      expect(await parked.list({ topic: TOPIC })).toEqual([]);
    });

    test('drops nothing when there is no room for letters: the aggregate waits, and others continue', async () => {
      const [failing, other] = [fresh('failing'), fresh('other')];
      const handled: string[] = [];
      let broken = true;

      @Controller()
      class Handler {
        @AggregateHandler(SMALL, { retry: { ...RETRY, attempts: 1 } })
        handle(@Payload() n: number, @AggregateId() id: string) {
          if (id === failing && broken) throw new Error('not yet');
          handled.push(`${id === failing ? 'failing' : 'other'} ${n}`);
        }
      }
      const { small, parked } = await start('full', Handler);
      await small.publishAll([1, 2, 3, 4].map((n) => counted(failing, n)));
      await small.publish(counted(other, 1));
      await world.until('the other is handled', () => handled.length === 1);
      const letters = async (): Promise<number[]> =>
        (await parked.list({ topic: SMALL })).map((found) => found.letters);
      await world.until('all room is taken', async () => (await letters())[0] === 2);
      await world.settle();
      expect(await letters()).toEqual([2]);

      broken = false;
      const address = { topic: SMALL, aggregateId: failing };
      expect(await told(parked.retry(address))).toEqual({ outcome: 'unparked' });
      await world.advance(2_000);
      await world.until('the rest is handled', () => handled.length === 5);
      expect(handled).toEqual(['other 1', ...[1, 2, 3, 4].map((n) => `failing ${n}`)]);
      expect(await letters()).toEqual([]);
    });
  });
}
