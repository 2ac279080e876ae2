import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryKey } from '#library/testing/memory/memory-key.js';

interface Value {
  readonly n: number;
  readonly list?: number[];
}

function fixture() {
  const clock = new ManualClock();
  const moves = { count: 0 };
  const key = new MemoryKey<Value>({ clock, moved: () => moves.count++ });
  return { clock, moves, key, port: key.connect() };
}

const lost = { code: 'JETSTREAM_REQUEST_FAILED' };

describe('compare-and-set', () => {
  test('a key that was never written holds nothing at revision 0', async () => {
    const { port } = fixture();
    expect(await port.read()).toEqual({ value: undefined, revision: 0 });
  });

  test('takes a write that expects the last revision, and refuses any other', async () => {
    const { port } = fixture();
    expect(await port.write({ n: 1 }, 0)).toBe(1);
    expect(await port.write({ n: 2 }, 0)).toBeUndefined();
    expect(await port.write({ n: 2 }, 2)).toBeUndefined();
    expect(await port.write({ n: 3 }, 1)).toBe(2);
    expect(await port.read()).toEqual({ value: { n: 3 }, revision: 2 });
  });

  test('takes one of two writes that expect the same revision', async () => {
    const { key, port } = fixture();
    const other = key.connect();
    expect(await Promise.all([port.write({ n: 1 }, 0), other.write({ n: 2 }, 0)])).toEqual([1, undefined]);
  });

  test('keeps a revision when it is deleted, and the next write must expect it', async () => {
    const { key, port } = fixture();
    await port.write({ n: 1 }, 0);
    expect(key.delete()).toBe(2);
    expect(await port.read()).toEqual({ value: undefined, revision: 2 });
    expect(await port.write({ n: 2 }, 0)).toBeUndefined();
    expect(await port.write({ n: 2 }, 1)).toBeUndefined();
    expect(await port.write({ n: 2 }, 2)).toBe(3);
  });

  test('goes back to an earlier state, or to none', async () => {
    const { key, port } = fixture();
    await port.write({ n: 1 }, 0);
    const backup = key.stored;
    await port.write({ n: 2 }, 1);
    key.restore(backup);
    expect(await port.read()).toEqual({ value: { n: 1 }, revision: 1 });
    key.restore();
    expect(await port.read()).toEqual({ value: undefined, revision: 0 });
  });

  test('refuses a value above its largest size without sending it', async () => {
    const { key, port } = fixture();
    key.maxBytes = 20;
    expect(port.maxBytes).toBe(20);
    await expect(port.write({ n: 1, list: [1, 2, 3, 4, 5, 6] }, 0)).rejects.toMatchObject(lost);
    expect(await port.write({ n: 1 }, 0)).toBe(1);
  });
});

describe('as over a network', () => {
  test('requests arrive and are answered in later turns, and each is a move', async () => {
    const { clock, moves, key, port } = fixture();
    const writing = port.write({ n: 1 }, 0);
    expect([key.stored.revision, moves.count]).toEqual([0, 0]);
    await clock.settle();
    expect([await writing, key.stored.revision, moves.count]).toEqual([1, 1, 2]);
  });

  test('values are copied in and out', async () => {
    const { port } = fixture();
    const value = { n: 1, list: [1] };
    const writing = port.write(value, 0);
    value.list.push(2);
    await writing;
    const first = await port.read();
    first.value!.list!.push(3);
    expect((await port.read()).value).toEqual({ n: 1, list: [1] });
  });

  test('hints tell of refused writes too, and end when the port is closed', async () => {
    const { clock, key, port } = fixture();
    const heard: unknown[] = [];
    const listener = key.connect();
    listener.onHint((value) => heard.push(value?.n));
    await port.write({ n: 1 }, 0);
    await port.write({ n: 2 }, 0);
    await clock.settle();
    expect(heard).toEqual([1, 2]);
    listener.close();
    await port.write({ n: 3 }, 1);
    await clock.settle();
    expect(heard).toEqual([1, 2]);
  });

  test('tells when it was written', async () => {
    const { clock, key, port } = fixture();
    expect(key.writtenAt).toBe(0);
    await clock.advance(1_000);
    await port.write({ n: 1 }, 0);
    expect(key.writtenAt).toBe(clock.wallNow());
  });
});

describe('a late write', () => {
  test('is refused when another write came first', async () => {
    const { clock, key, port } = fixture();
    key.faults.holdWrite();
    const late = port.write({ n: 1 }, 0);
    await clock.settle();
    expect(await key.connect().write({ n: 2 }, 0)).toBe(1);
    const [held] = key.faults.held;
    expect(held).toMatchObject({ value: { n: 1 }, revision: 0 });
    expect(held!.arrive()).toBeUndefined();
    expect(await late).toBeUndefined();
    expect(key.stored).toEqual({ value: { n: 2 }, revision: 1 });
    expect(key.faults.held).toEqual([]);
  });

  test('is stored when none came first, and its writer hears it', async () => {
    const { clock, key, port } = fixture();
    key.faults.holdWrite();
    const late = port.write({ n: 1 }, 0);
    await clock.advance(400);
    expect(key.stored.revision).toBe(0);
    expect(key.faults.held[0]!.arrive()).toBe(1);
    expect(await late).toBe(1);
  });

  test('arrives even though its writer gave up after 500 ms', async () => {
    const { clock, key, port } = fixture();
    key.faults.holdWrite();
    const late = expect(port.write({ n: 1 }, 0)).rejects.toMatchObject(lost);
    await clock.advance(500);
    await late;
    expect(key.faults.held[0]!.arrive()).toBe(1);
    expect(key.stored.value).toEqual({ n: 1 });
  });

  test('is the next one that matches, and only that one', async () => {
    const { clock, key, port } = fixture();
    key.faults.holdWrite(({ n }) => n === 2);
    expect(await port.write({ n: 1 }, 0)).toBe(1);
    const held = port.write({ n: 2 }, 1);
    await clock.settle();
    expect(await port.write({ n: 2 }, 1)).toBe(2);
    expect(key.faults.held.map((late) => late.arrive())).toEqual([undefined]);
    expect(await held).toBeUndefined();
  });
});

describe('a lost answer', () => {
  test('of a write: the value is stored, and the writer does not know', async () => {
    const { key, port } = fixture();
    key.faults.dropAnswer();
    await expect(port.write({ n: 1 }, 0)).rejects.toMatchObject(lost);
    expect(await port.read()).toEqual({ value: { n: 1 }, revision: 1 });
    expect(await port.write({ n: 2 }, 1)).toBe(2);
  });

  test('of a refused write: the writer does not know that it was refused', async () => {
    const { key, port } = fixture();
    await port.write({ n: 1 }, 0);
    key.faults.dropAnswer(({ n }) => n === 2);
    await expect(port.write({ n: 2 }, 0)).rejects.toMatchObject(lost);
    expect(key.stored.value).toEqual({ n: 1 });
  });

  test('of a read: the next read is answered again', async () => {
    const { key, port } = fixture();
    key.faults.failRead(2);
    await expect(port.read()).rejects.toMatchObject(lost);
    await expect(port.read()).rejects.toMatchObject(lost);
    expect((await port.read()).revision).toBe(0);
  });
});
