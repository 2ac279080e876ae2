import { describe, expect, test } from '@jest/globals';
import { type Claimant, claimPosition } from '#library/consumer/position/claim.js';
import { hasCode } from '#library/errors.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryKey } from '#library/testing/memory/memory-key.js';
import { CREATED, recordOf } from './position-fixture.js';

function fixture(stored?: PositionRecord) {
  const clock = new ManualClock();
  const key = new MemoryKey<PositionRecord>({ clock, moved: () => undefined });
  if (stored !== undefined) key.restore({ value: stored, revision: 40 });
  let isCurrent = true;
  const claimant = (fields: Partial<Claimant> = {}): Claimant => ({
    owner: 'me',
    epoch: 5,
    wasClaimed: stored !== undefined,
    group: { start: { sequence: 0, created: CREATED, epoch: 0 }, hasRecords: false, run: 0 },
    created: CREATED,
    isRestored: false,
    bound: 10,
    isCurrent: () => isCurrent,
    ...fields,
  });
  const claim = (fields?: Partial<Claimant>) => claimPosition(key.connect(), claimant(fields));
  /** Another owner writes. */
  const write = async (record: PositionRecord) => key.connect().write(record, key.stored.revision);
  return { clock, key, claim, write, lose: () => void (isCurrent = false) };
}

const before = recordOf({ epoch: 4, owner: 'other', write: 9, high: 30, unsettled: '3' });

describe('a claim', () => {
  test('of a key that was never written makes the first record', async () => {
    const { claim, key } = fixture();
    expect(await claim()).toMatchObject({
      kind: 'claimed',
      revision: 1,
      begins: 'first start',
      hasDied: false,
    });
    expect(key.stored.value).toMatchObject({ epoch: 5, owner: 'me', high: 0 });
  });

  test('moves the revision, so that a commit of the older owner is refused', async () => {
    const { claim, key } = fixture(before);
    const older = key.connect();
    const outcome = await claim();
    expect(outcome).toMatchObject({
      kind: 'claimed',
      revision: 41,
      hasDied: true,
      before: { owner: 'other', epoch: 4 },
    });
    expect(await older.write({ ...before, write: 10, high: 31 }, 40)).toBeUndefined();
    expect(key.stored.value).toMatchObject({ epoch: 5, high: 30 });
  });

  test('takes the commit that landed between its read and its write as its base', async () => {
    const { claim, key, write, clock } = fixture(before);
    key.faults.holdWrite();
    const outcome = claim();
    await clock.settle();
    await write({ ...before, write: 10, high: 33, unsettled: '' });
    key.faults.held[0]!.arrive();
    expect(await outcome).toMatchObject({
      kind: 'claimed',
      revision: 42,
      record: { high: 33, unsettled: '' },
      unsettled: [],
    });
  });

  test('stands although its answer was lost, and what is stored then is its base', async () => {
    const { claim, key } = fixture(before);
    key.faults.dropAnswer();
    expect(await claim()).toMatchObject({
      kind: 'claimed',
      revision: 41,
      record: { epoch: 5, owner: 'me', high: 30 },
      unsettled: [3],
    });
    expect(key.stored.revision).toBe(41);
  });

  test('that the network holds is written again after a commit of the older owner, with that commit as its base', async () => {
    const { claim, key, write, clock } = fixture(before);
    key.faults.holdWrite();
    const outcome = claim();
    await clock.settle();
    await write({ ...before, write: 10, high: 33, unsettled: '' });
    await clock.advance(500);
    expect(await outcome).toMatchObject({ kind: 'claimed', revision: 42, record: { high: 33 } });
    expect(key.faults.held[0]!.arrive()).toBeUndefined();
  });

  test('counts a death once although its first answer was lost', async () => {
    const { claim, key } = fixture(before);
    key.faults.dropAnswer();
    const outcome = await claim();
    expect(outcome).toMatchObject({ hasDied: true, record: { deaths: 1 } });
    expect(await claim({ epoch: 6 })).toMatchObject({ hasDied: false, record: { deaths: 1 } });
  });

  test.each([
    ['ends with the lease', 'lost before it is read', (f: ReturnType<typeof fixture>) => f.lose()],
    [
      'ends with the lease',
      'lost while its write is on its way',
      (f: ReturnType<typeof fixture>) => {
        f.key.faults.holdWrite();
        setImmediate(() => setImmediate(() => setImmediate(() => f.lose())));
      },
    ],
  ])('%s: %s', async (_what, _when, lose) => {
    const all = fixture(before);
    lose(all);
    const outcome = all.claim().catch((error: unknown) => error);
    await all.clock.advance(600);
    expect(hasCode(await outcome, 'LEASE_LOST')).toBe(true);
  });

  test('that is not answered rejects if the record cannot be read either', async () => {
    const { claim, key } = fixture(before);
    key.faults.failRead();
    expect(hasCode(await claim().catch((error: unknown) => error), 'JETSTREAM_REQUEST_FAILED')).toBe(true);
  });

  test('gives up after eight writes of others that were first', async () => {
    const { claim, key } = fixture(before);
    let refused = 0;
    key.connect().onHint(() => refused++);
    // Another write reaches the key in each turn.
    let isOver = false as boolean;
    const racing = (async () => {
      while (!isOver) {
        const { value, revision } = key.stored;
        key.restore({ value, revision: revision + 1 });
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const error: unknown = await claim().catch((reason: unknown) => reason);
    isOver = true;
    await racing;
    expect(hasCode(error, 'JETSTREAM_REQUEST_FAILED')).toBe(true);
    expect(refused).toBe(8);
  });

  test('halts on a tombstone, and writes nothing', async () => {
    const { claim, key } = fixture(before);
    const revision = key.delete();
    expect(await claim({ wasClaimed: false })).toMatchObject({ kind: 'halt' });
    expect(key.stored).toEqual({ value: undefined, revision });
  });

  test('of a record of a later epoch writes nothing', async () => {
    const { claim, key } = fixture({ ...before, epoch: 9 });
    expect(await claim()).toEqual({ kind: 'raise', above: 9 });
    expect(key.stored.revision).toBe(40);
  });
});
