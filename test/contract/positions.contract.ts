import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Controller, type Type } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { AggregateHandler, AggregateId } from 'nestjs-aggregate-transport';
import type { StoredValue } from '#library/records/key-port.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { counted, fresh, NEW, type RunningApp, TOPIC, type World } from './world.js';

/** How a group keeps its place in a stream, on a nats-server and in memory. */
export function describePositions(name: string, world: World): void {
  describe(`positions on ${name}`, () => {
    const running: RunningApp[] = [];
    const start = async (group: string, controller?: Type): Promise<RunningApp> => {
      const app = await world.start(group, controller);
      running.push(app);
      return app;
    };
    const stop = async (app: RunningApp): Promise<void> => {
      running.splice(running.indexOf(app), 1);
      await app.close();
    };
    /** The position once it says that everything up to `sequence` is settled. */
    const confirmed = async (group: string, sequence: number): Promise<StoredValue<PositionRecord>> => {
      const read = (): Promise<StoredValue<PositionRecord>> => world.server.position(group);
      await world.until(`the position of ${group} to reach ${sequence}`, async () => {
        const { value } = await read();
        return (value?.high ?? 0) >= sequence && value?.unsettled === '';
      });
      return read();
    };

    beforeAll(() => world.open());
    afterEach(async () => {
      for (const app of running.splice(0)) await app.close();
    });
    afterAll(() => world.close());

    test('resumes after the confirmed position: what was handled does not come again', async () => {
      const a = fresh('a');
      const handled: number[] = [];

      @Controller()
      class Handler {
        @AggregateHandler(TOPIC)
        handle(@Payload() n: number, @AggregateId() id: string) {
          if (id === a) handled.push(n);
        }
      }
      const group = 'resume';
      const first = await start(group, Handler);
      const receipts = await first.publisher.publishAll([1, 2, 3].map((n) => counted(a, n)));
      const before = await confirmed(group, receipts[2]!.sequence);
      await stop(first);

      // Published while no process of the group runs.
      const other = await start('resume-publisher');
      const { sequence } = await other.publisher.publish(counted(a, 4));
      await start(group, Handler);
      await world.until('the new event is handled', () => handled.length === 4);
      const after = await confirmed(group, sequence);
      expect(handled).toEqual([1, 2, 3, 4]);
      expect(after.value?.epoch).toBeGreaterThan(before.value?.epoch ?? 0);
    });

    test('refuses a late commit of an older owner', async () => {
      const a = fresh('a');
      const handled: number[] = [];

      @Controller()
      class Handler {
        @AggregateHandler(TOPIC)
        handle(@Payload() n: number, @AggregateId() id: string) {
          if (id === a) handled.push(n);
        }
      }
      const group = 'late-commit';
      const first = await start(group, Handler);
      const { sequence } = await first.publisher.publish(counted(a, 1));
      await confirmed(group, sequence);
      await stop(first);
      const { value: older, revision } = await world.server.position(group);
      if (older === undefined) throw new Error('expected a position of the first owner, found none');

      const second = await start(group, Handler);
      await world.until('the second owner has claimed', async () => {
        const { value } = await world.server.position(group);
        return (value?.epoch ?? 0) > older.epoch;
      });
      const late: PositionRecord = { ...older, write: older.write + 1, high: older.high + 100 };
      expect(await world.server.writePosition(group, late, revision)).toBeUndefined();
      const receipts = await second.publisher.publishAll([2, 3].map((n) => counted(a, n)));
      await world.until('later events are handled', () => handled.length === 3);
      expect(handled).toEqual([1, 2, 3]);
      expect((await confirmed(group, receipts[1]!.sequence)).value?.epoch).toBeGreaterThan(older.epoch);
    });

    test('handles each event once and in order when its reader is deleted under load', async () => {
      const ids = ['a', 'b', 'c', 'd', 'e'].map(fresh);
      const handled = new Map<string, number[]>(ids.map((id) => [id, []]));
      const count = (): number => [...handled.values()].reduce((sum, { length }) => sum + length, 0);
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));

      @Controller()
      class Handler {
        @AggregateHandler(TOPIC)
        async handle(@Payload() n: number, @AggregateId() id: string) {
          if (!ids.includes(id)) return;
          if (n === 5) await held;
          handled.get(id)?.push(n);
        }
      }
      const group = 'reader-deleted';
      const { publisher } = await start(group, Handler);
      const batch = (from: number): ReturnType<typeof publisher.publishAll> =>
        publisher.publishAll(
          Array.from({ length: 20 }, (_, index) => ids.map((id) => counted(id, from + index))).flat(),
        );
      await batch(1);
      await world.until('handlers hold the fifth events', () => count() === 5 * 4);
      await world.server.deleteReaders();
      const receipts = await batch(21);
      release();
      // A new reader may wait for a pause after the loss of the last one.
      await world.advance(1_000);
      await world.until('all events are handled', () => count() === 5 * 40);
      const all = Array.from({ length: 40 }, (_, index) => index + 1);
      for (const id of ids) expect(handled.get(id)).toEqual(all);
      await confirmed(group, receipts.at(-1)!.sequence);
    });

    test('starts a group with the first event after its start when told to start with new ones', async () => {
      const a = fresh('a');
      const handled: number[] = [];

      @Controller()
      class Handler {
        @AggregateHandler(NEW)
        handle(@Payload() n: number, @AggregateId() id: string) {
          if (id === a) handled.push(n);
        }
      }
      const outside = await start('start-new-publisher');
      await outside.newOnly.publishAll([1, 2].map((n) => counted(a, n)));
      const first = await start('start-new', Handler);
      await first.newOnly.publish(counted(a, 3));
      await world.until('the new event is handled', () => handled.length === 1);
      await world.settle();
      await stop(first);

      // The start is resolved once: an event from between two runs is not before it.
      await outside.newOnly.publish(counted(a, 4));
      await start('start-new', Handler);
      await world.until('the event of the pause is handled', () => handled.length === 2);
      await world.settle();
      expect(handled).toEqual([3, 4]);
    });
  });
}
