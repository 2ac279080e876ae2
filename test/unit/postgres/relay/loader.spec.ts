import { expect, test } from '@jest/globals';
import { Loader, type RowSource } from '#postgres/relay/loader.js';
import type { OutboxRow } from '#postgres/relay/rows/outbox-row.js';
import type { Page, PageLimits } from '#postgres/relay/rows/row-reader.js';
import { Lanes } from '#postgres/relay/sending/lanes.js';
import { StreamHeight } from '#postgres/relay/sending/stream-height.js';
import { seededRandom } from '../../../support/seeded.js';

interface Writer {
  readonly xid: number;
  readonly token: string;
  readonly ids: number[];
}

const TOKENS = ['a', 'b', 'c', 'd', 'e', 'f'];

/** A database with concurrent transactions: ids in order, rows visible at the commit, one writer per aggregate. */
class Database implements RowSource {
  readonly open: Writer[] = [];
  readonly committed: OutboxRow[] = [];
  readonly added: { id: number; token: string }[] = [];
  readonly stopped = new Set<string>();
  #xid = 100;
  #lastEnded = 100;
  #id = 0;

  constructor(private readonly random: () => number) {}

  step(): void {
    const writer = this.open[Math.floor(this.random() * this.open.length)];
    const dice = this.random();
    if (dice < 0.4 || writer === undefined) this.#begin();
    else if (dice < 0.75) writer.ids.push(++this.#id);
    else this.#end(writer, dice < 0.95);
  }

  endAll(): void {
    for (const writer of [...this.open]) this.#end(writer, true);
  }

  read(
    { above, upTo = Number.MAX_SAFE_INTEGER, without, known }: Parameters<RowSource['read']>[0],
    limits: PageLimits,
  ): Promise<Page> {
    return this.#page(
      ({ id, event }) =>
        id > above &&
        id <= upTo &&
        !without.includes(event.token) &&
        !known.includes(id) &&
        !this.stopped.has(event.token),
      limits,
    );
  }

  readOne(token: string, above: number, limits: PageLimits): Promise<Page> {
    return this.#page(({ id, event }) => id > above && event.token === token, limits);
  }

  /** The relay has marked it. */
  mark(id: number): void {
    this.committed.splice(
      this.committed.findIndex((row) => row.id === id),
      1,
    );
  }

  #page(matches: (row: OutboxRow) => boolean, limits: PageLimits): Promise<Page> {
    // Others write before each statement.
    for (let i = Math.floor(this.random() * 4); i > 0; i--) this.step();
    const rows = this.committed
      .filter(matches)
      .sort((one, other) => one.id - other.id)
      .slice(0, limits.rows);
    // As PostgreSQL it lists an open transaction only if one with a higher id has ended.
    const end = BigInt(this.#lastEnded) + 1n;
    const open = this.open.map(({ xid }) => BigInt(xid)).filter((xid) => xid < end);
    const snapshot = { open, end, next: BigInt(this.#xid) + 1n };
    return Promise.resolve({ rows, isFull: rows.length >= limits.rows, snapshot });
  }

  #begin(): void {
    const token = TOKENS[Math.floor(this.random() ** 2 * TOKENS.length)]!;
    if (this.open.some((other) => other.token === token)) return;
    this.open.push({ xid: ++this.#xid, token, ids: [] });
  }

  #end(writer: Writer, commits: boolean): void {
    this.open.splice(this.open.indexOf(writer), 1);
    this.#lastEnded = Math.max(this.#lastEnded, writer.xid);
    if (!commits) return;
    const { token } = writer;
    for (const id of writer.ids) {
      const event = { token, eventId: String(id), body: new Uint8Array(1), isJson: true, headers: undefined };
      this.committed.push({ id, event, bytes: 1 });
      this.added.push({ id, token });
    }
  }
}

/** Loads, sends and marks in random steps, in little memory; some aggregates stop and are tried again. */
async function run(random: () => number): Promise<void> {
  const database = new Database(random);
  const lanes = new Lanes({ rows: 4 + Math.floor(random() * 12), bytes: 1_000 });
  const height = new StreamHeight({ created: 'x', lastSequence: 0 });
  const sent: { id: number; token: string }[] = [];
  const asked = new Set<string>();
  const loader = new Loader({
    reader: database,
    records: { allowSending: () => Promise.resolve() },
    stops: {
      remove: (token) => {
        database.stopped.delete(token);
        asked.delete(token);
        return Promise.resolve();
      },
    },
    lanes,
    height,
    takeOver: { epoch: 1, checkpoint: 0, sentBelow: 0 },
    slots: { first: 0, last: 255 },
  });
  let sequence = 0;
  const sendSome = (): void => {
    for (const token of TOKENS) {
      const lane = lanes.find(token);
      if (lane?.mode !== 'ready' || random() < 0.5) continue;
      if (lane.last === undefined) {
        lane.startLooking();
        lane.noteLook(0, 0, true);
        lane.proceed();
      }
      if (lane.last === undefined) continue;
      lane.startSending();
      if (random() < 0.05) {
        lane.stop();
        loader.noteStopped(token);
        database.stopped.add(token);
        lanes.drop(lane);
        loader.noteStopWritten(token);
        asked.delete(token);
        continue;
      }
      const count = 1 + Math.floor(random() * lane.rows.length);
      const stored = lane.noteStored(count, (sequence += count));
      height.note(sequence);
      lane.proceed();
      lanes.noteChanged(lane);
      lanes.release(stored.map(({ id }) => id));
      for (const { id } of stored) {
        sent.push({ id, token });
        database.mark(id);
      }
    }
  };
  const askForStopped = (): void => {
    for (const token of database.stopped) asked.add(token);
    loader.retry([...asked]);
  };
  for (let step = 0; step < 150; step++) {
    database.step();
    if (random() < 0.4) await loader.load();
    if (random() < 0.4) sendSome();
    if (random() < 0.05) askForStopped();
  }
  database.endAll();
  for (let round = 0; round < 2_000 && sent.length < database.added.length; round++) {
    database.endAll();
    askForStopped();
    await loader.load();
    sendSome();
  }
  expect(sent).toHaveLength(database.added.length);
  expect(new Set(sent.map(({ id }) => id)).size).toBe(sent.length);
  for (const token of TOKENS) {
    const ids = sent.filter((row) => row.token === token).map(({ id }) => id);
    expect(ids).toEqual([...ids].sort((one, other) => one - other));
  }
}

test('brings every committed row once, and each aggregate in the order of ids, in little memory', async () => {
  const random = seededRandom('loader');
  for (let i = 0; i < 400; i++) await run(random);
});
