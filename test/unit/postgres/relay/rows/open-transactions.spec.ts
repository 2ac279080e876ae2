import { expect, test } from '@jest/globals';
import { OpenTransactions, type Snapshot, snapshotOf } from '#postgres/relay/rows/open-transactions.js';
import { seededRandom } from '../../../../support/seeded.js';

const at = (open: readonly bigint[], end: bigint, next = end): Snapshot => ({ open, end, next });

test('reads what a snapshot calls open, and what it cannot list yet', () => {
  expect(snapshotOf('10:12:10,11 9')).toEqual(at([10n, 11n], 12n));
  expect(snapshotOf('12:12: 12')).toEqual(at([], 12n, 15n));
});

test('reads ids beyond 32 bits, and where those of 32 bits come round', () => {
  const round = 2n ** 32n;
  expect(snapshotOf(`${5n * round + 8n}:${5n * round + 8n}: 7`)).toEqual(
    at([], 5n * round + 8n, 5n * round + 10n),
  );
  // As a signed number, the age of an id in the upper half is below zero.
  expect(snapshotOf(`${2n * round - 1n}:${2n * round - 1n}: -3`)).toEqual(
    at([], 2n * round - 1n, 2n * round),
  );
});

test('asks for no second look while a transaction stays open', () => {
  const open = new OpenTransactions();
  for (const cursor of [0, 100, 200]) expect(open.note(at([7n], 8n), cursor)).toBeUndefined();
  for (const cursor of [300, 400]) expect(open.note(at([7n], 8n, 10n), cursor)).toBeUndefined();
});

test('asks for a look from where a transaction that has ended had begun', () => {
  const open = new OpenTransactions();
  open.note(at([], 7n), 0);
  open.note(at([7n], 8n), 100);
  open.note(at([7n, 8n], 9n), 200);
  expect(open.note(at([7n], 9n), 300)).toBe(200);
  expect(open.note(at([], 9n), 300)).toBe(100);
  expect(open.note(at([], 9n), 400)).toBeUndefined();
});

test('asks for a look when a transaction has ended that no snapshot had listed', () => {
  const open = new OpenTransactions();
  open.note(at([], 7n), 0);
  open.note(at([], 8n, 10n), 100);
  open.note(at([8n], 10n), 200);
  expect(open.note(at([], 10n, 11n), 300)).toBe(100);
  expect(open.note(at([], 11n), 400)).toBe(300);
});

interface Writer {
  readonly xid: number;
  readonly aggregate: number;
  readonly ids: number[];
}

/**
 * A database with concurrent transactions: ids in order, rows visible at the commit, one writer per aggregate. As
 * PostgreSQL it lists an open transaction only if one with a higher id has ended.
 */
class World {
  readonly open: Writer[] = [];
  readonly committed: { id: number; aggregate: number }[] = [];
  #xid = 100;
  #id = 0;
  #lastEnded = 100;

  constructor(private readonly random: () => number) {}

  get snapshot(): Snapshot {
    const end = BigInt(this.#lastEnded) + 1n;
    const open = this.open.map(({ xid }) => BigInt(xid)).filter((xid) => xid < end);
    return { open, end, next: BigInt(this.#xid) + 1n };
  }

  step(): void {
    const writer = this.open[Math.floor(this.random() * this.open.length)];
    const dice = this.random();
    if (dice < 0.4 || writer === undefined) this.#begin();
    else if (dice < 0.7) writer.ids.push(++this.#id);
    else this.#end(writer, dice < 0.95);
  }

  endAll(): void {
    for (const writer of [...this.open]) this.#end(writer, true);
  }

  #begin(): void {
    const aggregate = Math.floor(this.random() * 6);
    if (this.open.some((other) => other.aggregate === aggregate)) return;
    this.open.push({ xid: ++this.#xid, aggregate, ids: [] });
  }

  #end(writer: Writer, commits: boolean): void {
    this.open.splice(this.open.indexOf(writer), 1);
    this.#lastEnded = Math.max(this.#lastEnded, writer.xid);
    if (commits) for (const id of writer.ids) this.committed.push({ id, aggregate: writer.aggregate });
  }
}

test('finds every committed row once, and each aggregate in the order of ids, in random histories', () => {
  const random = seededRandom('open transactions');
  for (let run = 0; run < 300; run++) {
    const world = new World(random);
    const open = new OpenTransactions();
    const seen: { id: number; aggregate: number }[] = [];
    const known = new Set<number>();
    let cursor = 0;
    let reads = 0;
    const read = (): void => {
      const limit = 1 + Math.floor(random() * 5);
      const visible = [...world.committed].sort((one, other) => one.id - other.id);
      const page = visible.filter(({ id }) => id > cursor).slice(0, limit);
      const upTo = Math.max(cursor, page.at(-1)?.id ?? 0);
      const note = (through: number): number | undefined => open.note(world.snapshot, through);
      let below: typeof visible = [];
      for (let lower = note(cursor), above = upTo; lower !== undefined && lower < above; lower = note(upTo)) {
        above = lower;
        // Each further read of one look sees more than the one before.
        for (let i = Math.floor(random() * 3); i > 0; i--) world.step();
        below = world.committed.filter(({ id }) => id > above && id <= upTo && !known.has(id));
        below = below.filter((row) => !page.includes(row));
      }
      for (const row of [...below, ...page].sort((one, other) => one.id - other.id)) {
        expect(known.has(row.id)).toBe(false);
        known.add(row.id);
        seen.push(row);
      }
      cursor = upTo;
      reads++;
    };
    for (let step = 0; step < 120; step++) {
      world.step();
      if (random() < 0.3) read();
    }
    world.endAll();
    while (seen.length < world.committed.length && reads < 1_000) read();
    expect(seen.length).toBe(world.committed.length);
    for (let aggregate = 0; aggregate < 6; aggregate++) {
      const ids = seen.filter((row) => row.aggregate === aggregate).map(({ id }) => id);
      expect(ids).toEqual([...ids].sort((one, other) => one - other));
    }
  }
});
