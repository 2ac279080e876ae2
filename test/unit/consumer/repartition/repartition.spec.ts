import { describe, expect, test } from '@jest/globals';
import { Repartition } from '#library/consumer/repartition/repartition.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { GroupKeys, through } from './group-keys.js';
import { CREATED, positionOf } from './positions.js';

class Died extends Error {}

/** A process that dies before, or with `late` right after, the n-th key it changes. */
function mortal(keys: GroupKeys, dies: { at: number; late: boolean }): Repartition {
  let changes = 0;
  const ports = through(keys, async (change) => {
    changes++;
    if (changes > dies.at || (changes === dies.at && !dies.late)) throw new Died();
    const result = await change();
    if (changes === dies.at) throw new Died();
    return result;
  });
  return new Repartition('it', ports);
}

const start = { sequence: 5, created: CREATED };

function started(partitions = 4): { keys: GroupKeys; repartition: Repartition } {
  const keys = new GroupKeys();
  keys.start(partitions);
  return { keys, repartition: new Repartition('it', keys) };
}

async function recordsOf(keys: GroupKeys, to: number, layout = 1): Promise<(PositionRecord | undefined)[]> {
  const places = Array.from({ length: to }, (_, partition) => ({ layout, partitions: to, partition }));
  return Promise.all(places.map(async (place) => (await keys.position(place).read()).value));
}

describe('a change of the number of partitions', () => {
  test('ends the same wherever the process that carries it out dies, and another one continues', async () => {
    const changed = async (dies = { at: Number.POSITIVE_INFINITY, late: false }) => {
      const { keys, repartition } = started();
      await repartition.begin({ to: 16 });
      keys.drain(1);
      const died = await mortal(keys, dies)
        .advance()
        .then(
          () => false,
          (error: unknown) => {
            if (error instanceof Died) return true;
            throw error;
          },
        );
      expect(await repartition.advance()).toMatchObject({ kind: 'none' });
      return { record: keys.record, records: await recordsOf(keys, 16), died };
    };
    const expected = { ...(await changed()), died: true };
    expect(expected.record).toMatchObject({ partitions: 16, layout: 1, changes: 1, hasRecords: true });
    expect(expected.records[5]).toMatchObject({ high: 11, epoch: 4, owner: '', write: 0, rest: true });
    let deaths = 0;
    for (const late of [false, true]) {
      for (let at = 1; ; at++) {
        const ended = await changed({ at, late });
        expect({ ...ended, died: true }).toEqual(expected);
        if (!ended.died) break;
        deaths++;
      }
    }
    // 16 records and the switch, each before and after.
    expect(deaths).toBe(2 * 17);
  });

  test('waits while one partition is not drained, and names it', async () => {
    const { keys, repartition } = started();
    await repartition.begin({ to: 16 });
    keys.drain(1, 1);
    expect(await repartition.advance()).toMatchObject({ kind: 'draining', open: [0], change: { number: 1 } });
    expect(await recordsOf(keys, 16)).toEqual(Array(16).fill(undefined));
  });

  test('waits for a partition that was never claimed, and for one whose record is lost', async () => {
    const { keys, repartition } = started();
    await repartition.begin({ to: 16 });
    keys.drain(1);
    const [first, second] = keys.placesInForce();
    keys.position(first!).purge();
    keys.position(second!).put(undefined);
    const lost = new Map([
      [0, 9],
      [1, 9],
    ]);
    expect(await repartition.advance(lost)).toMatchObject({ kind: 'draining', open: [0, 1] });
  });

  test('is refused while another is under way, and is the same one if it leads to the same number', async () => {
    const { keys, repartition } = started();
    expect(await repartition.begin({ to: 16 })).toMatchObject({ number: 1 });
    expect(await repartition.begin({ to: 16 })).toMatchObject({ number: 1 });
    await expect(repartition.begin({ to: 8 })).rejects.toMatchObject({ code: 'CHANGE_UNDER_WAY' });
    keys.drain(1);
    await repartition.advance();
    expect(await repartition.begin({ to: 16 })).toBeUndefined();
    expect(keys.record.changes).toBe(1);
  });

  test('leaves marks of its own number when it is cancelled, which the next change does not count', async () => {
    const { keys, repartition } = started();
    await repartition.begin({ to: 16 });
    keys.drain(1);
    expect(await repartition.cancel()).toBe(true);
    expect(await repartition.cancel()).toBe(false);
    await repartition.begin({ to: 8 });
    expect(await repartition.advance()).toMatchObject({ kind: 'draining', change: { number: 2, to: 8 } });
    keys.drain(2);
    expect(await repartition.advance()).toMatchObject({ kind: 'none', group: { partitions: 8, layout: 2 } });
  });

  test('a process that slept through a cancel prepares records that are never used', async () => {
    const { keys, repartition } = started(1);
    await repartition.begin({ to: 2 });
    keys.drain(1);
    let cancelled = false;
    const sleeper = new Repartition(
      'sleeper',
      through(keys, async (change) => {
        if (!cancelled) {
          cancelled = true;
          await repartition.cancel();
          const [place] = keys.placesInForce();
          keys.position(place!).put(positionOf({ epoch: 9, high: 90 }));
          await repartition.begin({ to: 2 });
        }
        return change();
      }),
    );
    expect(await sleeper.advance()).toMatchObject({ kind: 'draining', change: { number: 2 } });
    keys.drain(2);
    await repartition.advance();
    expect(await recordsOf(keys, 2, 2)).toMatchObject([{ high: 90 }, { high: 90 }]);
  });

  test('a process that slept through the switch overwrites no position that is in use', async () => {
    const { keys, repartition } = started(1);
    await repartition.begin({ to: 2 });
    keys.drain(1);
    let isLate = false;
    const sleeper = new Repartition(
      'sleeper',
      through(keys, async (change) => {
        if (!isLate) {
          isLate = true;
          await repartition.advance();
          for (const place of keys.placesInForce())
            keys.position(place).put(positionOf({ high: 77, epoch: 5 }));
        }
        return change();
      }),
    );
    expect(await sleeper.advance()).toMatchObject({ kind: 'none', group: { layout: 1 } });
    expect(await recordsOf(keys, 2)).toMatchObject([{ high: 77 }, { high: 77 }]);
  });

  test('does not make a prepared position again after it was deleted', async () => {
    const { keys, repartition } = started(1);
    await repartition.begin({ to: 2 });
    keys.drain(1);
    await mortal(keys, { at: 2, late: true })
      .advance()
      .catch(() => undefined);
    keys.position({ layout: 1, partitions: 2, partition: 0 }).put(undefined);
    await expect(repartition.advance()).rejects.toMatchObject({ code: 'RECORD_MISSING' });
    await repartition.cancel();
    await repartition.begin({ to: 2 });
    keys.drain(2);
    expect(await repartition.advance()).toMatchObject({ group: { layout: 2 } });
  });

  test('is refused if a new position would not fit, until the group has caught up', async () => {
    const { keys, repartition } = started(2);
    await repartition.begin({ to: 1 });
    keys.drain(1);
    keys.position({ layout: 1, partitions: 1, partition: 0 }).maxBytes = 200;
    await expect(repartition.advance()).rejects.toThrow(
      /to fit into 100 bytes.*--cancel, let the group catch up/,
    );
    expect(keys.record).toMatchObject({ partitions: 2, layout: 0 });
  });

  test('merges what the stream tells of sources that have settled everything', async () => {
    const { keys, repartition } = started(2);
    const [first, second] = keys.placesInForce();
    keys.position(first!).put(positionOf({ high: 4 }));
    keys.position(second!).put(positionOf({ high: 20 }));
    // An event of the first partition that its owner had not read yet.
    keys.events = [{ token: 'order-1', sequence: 12 }];
    await repartition.begin({ to: 1 });
    keys.drain(1);
    await repartition.advance();
    expect(await recordsOf(keys, 1)).toMatchObject([
      { high: 11, origin: { partitions: 2, sources: [{ partition: 1, high: 20, unsettled: '' }] } },
    ]);
  });

  test('refuses a position of a later release', async () => {
    const { keys, repartition } = started(1);
    await repartition.begin({ to: 2 });
    const [place] = keys.placesInForce();
    keys.position(place!).put({ ...positionOf(), v: 2 } as unknown as PositionRecord);
    await expect(repartition.advance()).rejects.toThrow('to be of version 1, found version 2');
  });

  test('of a group that never started is refused', async () => {
    const repartition = new Repartition('it', new GroupKeys());
    await expect(repartition.begin({ to: 4 })).rejects.toMatchObject({ code: 'GROUP_UNKNOWN' });
  });
});

describe('a reset', () => {
  test('copies no record: partitions begin at its start, in the next run, above all epochs', async () => {
    const { keys, repartition } = started();
    const [, second] = keys.placesInForce();
    keys.position(second!).put(positionOf({ epoch: 2, run: 3, high: 11 }));
    await repartition.begin({ to: 4, id: 'x', start });
    expect(await repartition.advance()).toMatchObject({ kind: 'draining', open: [0, 1, 2, 3] });
    keys.drain(1);
    await repartition.advance();
    expect(keys.record).toMatchObject({
      ...{ partitions: 4, layout: 1, hasRecords: false, run: 4, replayUntil: 13, lastReset: 'x' },
      start: { ...start, epoch: 4 },
    });
    expect(await recordsOf(keys, 4)).toEqual(Array(4).fill(undefined));
  });

  test('may change the number of partitions', async () => {
    const { keys, repartition } = started();
    await repartition.begin({ to: 2, id: 'x', start });
    keys.drain(1);
    expect(await repartition.advance()).toMatchObject({ group: { partitions: 2, layout: 1, run: 1 } });
  });

  test('is done once for one id, however often it is asked for', async () => {
    const { keys, repartition } = started();
    await repartition.begin({ to: 4, id: 'x', start });
    expect(await repartition.begin({ to: 4, id: 'x', start: { ...start, sequence: 9 } })).toMatchObject({
      number: 1,
      start,
    });
    await expect(repartition.begin({ to: 4 })).rejects.toMatchObject({ code: 'CHANGE_UNDER_WAY' });
    keys.drain(1);
    await repartition.advance();
    expect(await repartition.begin({ to: 4, id: 'x', start })).toBeUndefined();
    expect(keys.record.changes).toBe(1);
    expect(await repartition.begin({ to: 4, id: 'y', start })).toMatchObject({ number: 2 });
  });

  test('counts a partition as drained whose record is lost and whose lease the caller took', async () => {
    const { keys, repartition } = started();
    await repartition.begin({ to: 4, id: 'x', start });
    keys.drain(1);
    const [first] = keys.placesInForce();
    keys.position(first!).put(undefined);
    expect(await repartition.advance()).toMatchObject({ kind: 'draining', open: [0] });
    expect(await repartition.advance(new Map([[0, 30]]))).toMatchObject({
      kind: 'none',
      group: { layout: 1, start: { epoch: 30 } },
    });
  });

  test('knows no end of the replay from positions of another stream', async () => {
    const { keys, repartition } = started(1);
    const [place] = keys.placesInForce();
    keys.position(place!).put(positionOf({ created: 'before', high: 900 }));
    await repartition.begin({ to: 1, id: 'x', start });
    keys.drain(1);
    expect(await repartition.advance()).toMatchObject({ group: { replayUntil: 0, run: 1 } });
  });
});

describe('a deletion', () => {
  const deletes = { at: 7 };

  test('drains, needs no position that is lost, and may be asked for twice', async () => {
    const { keys, repartition } = started(2);
    await repartition.begin({ to: 2, deletes });
    expect(await repartition.begin({ to: 2, deletes: { at: 8 } })).toMatchObject({ number: 1, deletes });
    await expect(repartition.begin({ to: 4 })).rejects.toThrow('found its deletion');
    keys.drain(1, 1);
    keys.position({ layout: 0, partitions: 2, partition: 0 }).put(undefined);
    expect(await repartition.advance()).toMatchObject({ kind: 'draining', open: [0] });
    expect(await repartition.advance(new Map([[0, 9]]))).toMatchObject({ kind: 'none' });
    expect(keys.record).toMatchObject({ partitions: 0, deleted: deletes, start: { epoch: 9 } });
    expect(await repartition.begin({ to: 2, deletes: { at: 9 } })).toBeUndefined();
  });

  test('ends every other change, and is told as what it is', async () => {
    const { keys, repartition } = started(2);
    await repartition.begin({ to: 2, deletes });
    keys.drain(1);
    await repartition.advance();
    expect(await repartition.advance()).toMatchObject({ kind: 'none', group: { deleted: deletes } });
    expect(await repartition.cancel()).toBe(false);
    for (const call of [() => repartition.group(), () => repartition.begin({ to: 4 })])
      await expect(call()).rejects.toThrow('found that it was deleted at 1970-01-01T00:00:00.007Z');
  });
});
