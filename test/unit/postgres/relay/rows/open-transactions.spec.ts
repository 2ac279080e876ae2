import { expect, test } from '@jest/globals';
import { OpenTransactions, type Snapshot, snapshotOf } from '#postgres/relay/rows/open-transactions.js';
import { seededRandom } from '../../../../support/seeded.js';

test('reads what a snapshot calls open', () => {
  expect(snapshotOf('10:12:10,11')).toEqual({ open: ['10', '11'], end: 12n });
  expect(snapshotOf('12:12:')).toEqual({ open: [], end: 12n });
});

test('asks for no second look while a transaction stays open', () => {
  const open = new OpenTransactions();
  expect(open.note({ open: ['7'], end: 8n }, 0)).toBeUndefined();
  expect(open.note({ open: ['7'], end: 8n }, 100)).toBeUndefined();
  expect(open.note({ open: ['7'], end: 8n }, 200)).toBeUndefined();
});

test('asks for a look from where a transaction that has ended had begun', () => {
  const open = new OpenTransactions();
  open.note({ open: [], end: 7n }, 0);
  open.note({ open: ['7'], end: 8n }, 100);
  open.note({ open: ['7', '8'], end: 9n }, 200);
  // Each may have been open at the read before the one that listed it first.
  expect(open.note({ open: ['7'], end: 9n }, 300)).toBe(100);
  expect(open.note({ open: [], end: 9n }, 300)).toBe(0);
  expect(open.note({ open: [], end: 9n }, 400)).toBeUndefined();
});

test('asks for a look from where the last read began if one may have ended that no read has listed', () => {
  const open = new OpenTransactions();
  open.note({ open: [], end: 7n }, 0);
  open.note({ open: [], end: 7n }, 100);
  // 7 and 8 have begun, and ended, or 8 has ended only.
  expect(open.note({ open: [], end: 9n }, 200)).toBe(100);
  expect(open.note({ open: ['9'], end: 11n }, 300)).toBe(200);
  // 11 is open, and was listed as soon as it could be.
  expect(open.note({ open: ['9', '11'], end: 12n }, 400)).toBeUndefined();
  expect(open.unlistedAbove).toBe(400);
});

interface Writer {
  readonly xid: number;
  readonly aggregate: number;
  readonly ids: number[];
}

/** A database with concurrent transactions: ids in order, rows visible at the commit, one writer per aggregate. */
class World {
  readonly open: Writer[] = [];
  readonly committed: { id: number; aggregate: number }[] = [];
  #xid = 100;
  /** The highest that has ended: a snapshot lists open ones below it only. */
  #ended = 100;
  #id = 0;

  constructor(private readonly random: () => number) {}

  get snapshot(): Snapshot {
    const end = this.#ended + 1;
    const listed = this.open.filter(({ xid }) => xid < end).map(({ xid }) => String(xid));
    return { open: listed, end: BigInt(end) };
  }

  /** A read that brings rows takes a number itself, and ends. */
  read(): void {
    this.#ended = ++this.#xid;
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
    this.#ended = Math.max(this.#ended, writer.xid);
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
      const from = Math.min(cursor, open.unlistedAbove);
      const wanted = visible.filter(({ id }) => id > from && !known.has(id));
      const page = wanted.slice(0, limit);
      const isFull = page.length < wanted.length;
      const upTo = isFull ? page.at(-1)!.id : Math.max(cursor, page.at(-1)?.id ?? 0);
      const note = (through: number): number | undefined => {
        const lower = open.note(world.snapshot, through);
        if (page.length > 0) world.read();
        return lower;
      };
      let below: typeof visible = [];
      for (let lower = note(cursor), above = from; lower !== undefined && lower < above; lower = note(upTo)) {
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
