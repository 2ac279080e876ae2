import { beforeEach, describe, expect, test } from '@jest/globals';
import { type GroupResetArguments, GroupResetCommand } from '#library/cli/group/group-reset.js';
import { type RepartitionArguments, RepartitionCommand } from '#library/cli/group/repartition.js';
import { UsageError } from '#library/cli/command/terminal.js';
import { AggregateTransportError } from '#library/errors.js';
import { GroupKeys, leaseOf } from '../consumer/repartition/group-keys.js';
import { CREATED, positionOf } from '../consumer/repartition/positions.js';
import { commandOver } from './commands.js';

let keys: GroupKeys;
let command: ReturnType<typeof commandOver>;

beforeEach(() => {
  keys = new GroupKeys();
  keys.start(2);
  keys.events = Array.from({ length: 100 }, (_, index) => ({
    token: `order-${index % 10}`,
    sequence: index + 1,
  }));
  command = commandOver(keys);
});

const flags = { topic: 'orders', group: 'billing', cancel: false, resume: false, json: false, yes: true };

function repartition(args: Partial<RepartitionArguments>): Promise<number> {
  const call = { ...flags, partitions: undefined, waitMs: 10_000, ...args };
  return command.run(new RepartitionCommand(command.options).run(call));
}

function reset(args: Partial<GroupResetArguments>): Promise<number> {
  const none = { toValue: undefined, partitions: undefined, id: undefined, dryRun: false };
  const call = { ...flags, ...none, to: 'start', waitMs: 10_000, ...args };
  return command.run(new GroupResetCommand(command.options).run(call));
}

function hold(partition: number): void {
  const place = { layout: keys.record.layout, partitions: keys.record.partitions, partition };
  const held = leaseOf({ owner: 'replica', epoch: 5, ttlMs: 1_000_000, claimed: true });
  keys.lease(place).put({ ...held, running: [{ aggregateId: 'hangs', sequence: 9, forMs: 4_000 }] });
}

/** Each request about the group fails so, this many times. */
function failing(code: 'JETSTREAM_UNAVAILABLE' | 'JETSTREAM_REQUEST_FAILED', times: number): void {
  const read = keys.group.read.bind(keys.group);
  let left = times;
  keys.group.read = () =>
    left-- > 0 ? Promise.reject(new AggregateTransportError(code, 'expected an answer, found none')) : read();
}

describe.each([
  ['repartition', () => repartition({ partitions: 8 })],
  ['group reset', () => reset({})],
])('%s, while JetStream does not answer', (_command, run) => {
  test.each(['JETSTREAM_UNAVAILABLE', 'JETSTREAM_REQUEST_FAILED'] as const)(
    'tries again after %s, says so, and ends',
    async (code) => {
      failing(code, 20);
      expect(await run()).toBe(0);
      expect(command.printed[0]).toContain(`trying again: ${code}: expected an answer, found none`);
      expect(command.printed.at(-1)).toContain('done; the group has');
    },
  );

  test('gives up after 10 s of an account without JetStream', async () => {
    failing('JETSTREAM_UNAVAILABLE', 1_000);
    const begunAt = command.clock.now();
    await expect(run()).rejects.toMatchObject({ code: 'JETSTREAM_UNAVAILABLE' });
    expect(command.clock.now() - begunAt).toBeLessThanOrEqual(10_400);
  });
});

describe('repartition', () => {
  test('ends without any replica', async () => {
    expect(await repartition({ partitions: 8 })).toBe(0);
    expect(command.printed).toEqual(['orders billing: done; the group has 8 partitions']);
    expect(keys.record).toMatchObject({ partitions: 8, layout: 1 });
    expect(await repartition({ partitions: 8 })).toBe(0);
    expect(command.printed.at(-1)).toBe('orders billing: the group has 8 partitions');
  });

  test('names the handler that holds it up, and continues or calls it off later', async () => {
    hold(1);
    expect(await repartition({ partitions: 8, waitMs: 1_000 })).toBe(1);
    expect(command.printed.at(-1)).toContain(
      'drained 1 of 2; partition 1: the handler of aggregate "hangs" (sequence 9) runs for 4 s',
    );
    await expect(repartition({ partitions: 4 })).rejects.toMatchObject({ code: 'CHANGE_UNDER_WAY' });
    expect(await repartition({ cancel: true })).toBe(0);
    expect(await repartition({ cancel: true })).toBe(1);
    expect(await repartition({ resume: true })).toBe(0);
    expect(keys.record).toMatchObject({ partitions: 2, layout: 0, changes: 1 });
  });

  test('continues what is under way with --resume', async () => {
    hold(1);
    await repartition({ partitions: 8, waitMs: 1_000 });
    keys.lease({ layout: 0, partitions: 2, partition: 1 }).put(leaseOf({ released: true, claimed: true }));
    expect(await repartition({ resume: true, json: true })).toBe(0);
    expect(JSON.parse(command.printed.at(-1)!)).toEqual({
      ...{ v: 1, kind: 'group-change' },
      ...{ topic: 'orders', group: 'billing', state: 'done', partitions: 8 },
    });
  });

  test('asks first, and does nothing unless the name is typed', async () => {
    command.typed = 'bill';
    await expect(repartition({ partitions: 8, yes: false })).rejects.toThrow(UsageError);
    expect(keys.record.changes).toBe(0);
    command.typed = 'billing';
    expect(await repartition({ partitions: 8, yes: false })).toBe(0);
  });

  test.each([
    ['no power of two', { partitions: 3 }],
    ['nothing to do', {}],
    ['no topic', { topic: undefined, partitions: 4 }],
  ])('is not understood with %s', async (_, args) => {
    await expect(repartition(args)).rejects.toThrow(UsageError);
  });
});

describe('group reset', () => {
  test('begins again at the start without any replica, in the next run', async () => {
    expect(await reset({})).toBe(0);
    expect(command.printed.at(-1)).toBe(
      'orders billing: done; the group has 2 partitions and begins at sequence 1, run 1',
    );
    expect(keys.record).toMatchObject({
      ...{ layout: 1, run: 1, hasRecords: false, replayUntil: 11 },
      start: { sequence: 0, created: CREATED, epoch: 3 },
    });
  });

  test('tells with --dry-run what comes again and what is given up, and changes nothing', async () => {
    keys
      .position({ layout: 0, partitions: 2, partition: 0 })
      .put(positionOf({ high: 60, unsettled: 'a 1e' }));
    const [own, other] = await Promise.all(
      [0, 1].map((partition) => keys.countAfter({ partitions: 2, partition }, 0)),
    );
    const above = await keys.countAfter({ partitions: 2, partition: 0 }, 60);
    const before = keys.record;
    expect(await reset({ dryRun: true })).toBe(0);
    const again = own! - above - 2 + (other! - (await keys.countAfter({ partitions: 2, partition: 1 }, 11)));
    expect(command.printed[0]).toContain('begins at sequence 1; the stream holds 1 to 100');
    expect(command.printed[0]).toContain(`; ${again} events come again, 0 unsettled ones are given up`);
    expect(command.printed[1]).toMatch(/PARTITION +POSITION +COME AGAIN +GIVEN UP\n0 +60/);
    expect(await reset({ dryRun: true, to: 'end', json: true })).toBe(0);
    const planned = JSON.parse(command.printed.at(-1)!) as { rows: { givenUp: number; again: number }[] };
    expect(planned.rows[0]).toEqual({ partition: 0, high: 60, lost: false, givenUp: above + 2, again: 0 });
    expect(keys.record).toEqual(before);
  });

  test('may change the number of partitions, and tells what retention has removed', async () => {
    keys.state = { ...keys.state, firstSequence: 21 };
    expect(await reset({ to: 'sequence', toValue: '5', partitions: 4 })).toBe(0);
    expect(command.printed[0]).toContain('retention has removed sequences 5 to 20');
    expect(keys.record).toMatchObject({ partitions: 4, start: { sequence: 20 } });
  });

  test('with an id is done once', async () => {
    expect(await reset({ id: 'x' })).toBe(0);
    expect(await reset({ id: 'x' })).toBe(0);
    expect(keys.record).toMatchObject({ changes: 1, run: 1 });
    expect(await reset({})).toBe(0);
    expect(keys.record).toMatchObject({ changes: 2, run: 2 });
  });

  test('the same start again continues the reset that is under way', async () => {
    hold(1);
    expect(await reset({ waitMs: 1_000 })).toBe(1);
    expect(await reset({ waitMs: 1_000 })).toBe(1);
    await expect(reset({ to: 'end', id: 'y', waitMs: 1_000 })).rejects.toMatchObject({
      code: 'CHANGE_UNDER_WAY',
    });
    expect(keys.record).toMatchObject({ changes: 1 });
    expect(await reset({ cancel: true })).toBe(0);
    expect(keys.record.change).toBeUndefined();
  });

  test('works for a group that has lost its positions and its record', async () => {
    keys.group.purge();
    keys.isMissing = true;
    for (const key of keys.positions.values()) key.purge();
    expect(await reset({ dryRun: true })).toBe(0);
    expect(command.printed[0]).toContain('its record is lost');
    expect(command.printed[0]).toContain('up to 100 events come again, up to 0 unsettled ones are given up');
    expect(command.printed[0]).toContain('the positions of 2 of 2 partitions are lost');
    expect(command.printed[1]).toMatch(/\n0 +lost +up to \d+ +up to 0\n1 +lost +up to \d+ +up to 0/);
    expect(keys.isMissing).toBe(true);
    expect(await reset({})).toBe(0);
    expect(keys.record).toMatchObject({ partitions: 2, layout: 1, run: 5, start: { epoch: 3 } });
  });

  test('of a group that has lost its record waits for the processes that run', async () => {
    keys.group.purge();
    keys
      .lease({ layout: 0, partitions: 2, partition: 1 })
      .put(leaseOf({ owner: 'replica', ttlMs: 1_000_000 }));
    expect(await reset({ waitMs: 1_000 })).toBe(1);
    expect(command.printed.at(-1)).toContain('processes hold its leases: stop them (replica)');
    expect(keys.group.stored.value).toBeUndefined();
  });

  test('ends what a change of partitions cannot: a lost position', async () => {
    keys.position({ layout: 0, partitions: 2, partition: 1 }).purge();
    await expect(repartition({ partitions: 4 })).rejects.toMatchObject({ code: 'RECORD_MISSING' });
    expect(await repartition({ cancel: true })).toBe(0);
    expect(await reset({})).toBe(0);
    expect(keys.record).toMatchObject({ layout: 2, run: 1, start: { epoch: 3 } });
  });

  test('tells of one lost position that its events may come again', async () => {
    const [, lost] = await Promise.all(
      [0, 1].map((partition) => keys.countAfter({ partitions: 2, partition }, 0)),
    );
    keys.position({ layout: 0, partitions: 2, partition: 1 }).purge();
    expect(await reset({ dryRun: true, json: true })).toBe(0);
    const planned = JSON.parse(command.printed[0]!) as { rows: object[] };
    expect(planned.rows).toMatchObject([
      { high: 10, lost: false },
      { lost: true, again: lost, givenUp: 0 },
    ]);
    expect(planned.rows[1]).not.toHaveProperty('high');
    expect(await reset({ dryRun: true })).toBe(0);
    expect(command.printed[1]).toContain('the positions of 1 of 2 partitions are lost');
  });

  test('counts a position that a newer release wrote as lost', async () => {
    const place = { layout: 0, partitions: 2, partition: 1 };
    const key = keys.position(place);
    // Nothing else says that there was one.
    keys.lease(place).purge();
    key.put({ ...key.stored.value!, v: 2 as never });
    keys.group.put({ ...keys.record, hasRecords: undefined as never });
    expect(await reset({ dryRun: true, json: true })).toBe(0);
    const { rows } = JSON.parse(command.printed[0]!) as { rows: object[] };
    expect(rows).toMatchObject([{ lost: false }, { lost: true }]);
    expect(rows[1]).not.toHaveProperty('high');
  });

  test('asks first, and refuses a group that never started', async () => {
    await expect(reset({ yes: false })).rejects.toThrow(UsageError);
    expect(keys.record.changes).toBe(0);
    command = commandOver(new GroupKeys());
    await expect(reset({})).rejects.toMatchObject({ code: 'GROUP_UNKNOWN' });
  });
});
