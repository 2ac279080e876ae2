import { expect, test } from '@jest/globals';
import {
  type AggregateTail,
  AggregateTransportError,
  type ChainOutcome,
  type CheckedEvent,
  PublishRejectedError,
  SequenceConflictError,
  type StreamProgress,
} from 'nestjs-aggregate-transport';
import type { Clock } from '#postgres/clock.js';
import { Lanes } from '#postgres/relay/sending/lanes.js';
import { type RelayTarget, Sender } from '#postgres/relay/sending/sender.js';
import { StreamHeight } from '#postgres/relay/sending/stream-height.js';
import { seededRandom } from '../../../../support/seeded.js';

const AGGREGATES = ['a', 'b', 'c'];

/** A stream that stores by expectation alone: as one whose duplicate window has always passed. */
class Stream implements RelayTarget {
  messages: { token: string; eventId: string; sequence: number }[] = [];
  #created = 1;
  #sequence = 0;
  /** Copies that are on their way, from relays that are gone. */
  readonly late: (() => void)[] = [];

  constructor(private readonly random: () => number) {}

  lastOf(token: string): number {
    return this.messages.findLast((message) => message.token === token)?.sequence ?? 0;
  }

  /** Compares and stores in one step, as the server does. An own event directly after is found, as the core does. */
  append({ token, eventId }: CheckedEvent, after: number): ChainOutcome {
    const last = this.lastOf(token);
    if (last === after) {
      this.messages.push({ token, eventId, sequence: ++this.#sequence });
      return { topic: 't', sequence: this.#sequence, duplicate: false };
    }
    const next = this.messages.find((message) => message.token === token && message.sequence > after);
    if (next?.eventId === eventId) return { topic: 't', sequence: next.sequence, duplicate: true };
    return new SequenceConflictError(after, last);
  }

  foreign(token: string): void {
    this.messages.push({ token, eventId: `foreign-${this.#sequence}`, sequence: ++this.#sequence });
  }

  async publish(events: readonly CheckedEvent[], after: number): Promise<readonly ChainOutcome[]> {
    const outcomes: ChainOutcome[] = [];
    let expected: number | undefined = after;
    for (const event of events) {
      await this.#turns();
      const dice = this.random();
      if (expected === undefined) {
        outcomes.push(new AggregateTransportError('PREDECESSOR_UNKNOWN', 'text'));
        continue;
      }
      if (dice < 0.05) {
        outcomes.push(new PublishRejectedError('full', true, 'full'));
        expected = undefined;
      } else if (dice < 0.2) {
        // The answer is lost; the copy arrives now, or late, or never.
        const copy = expected;
        if (dice < 0.1) this.append(event, copy);
        else this.late.push(() => this.append(event, copy));
        outcomes.push(new AggregateTransportError('OUTCOME_UNKNOWN', 'text'));
        expected = undefined;
      } else {
        const outcome = this.append(event, expected);
        outcomes.push(outcome);
        expected = outcome instanceof AggregateTransportError ? undefined : outcome.sequence;
      }
    }
    return outcomes;
  }

  async tailOf(
    token: string,
    after: number,
    _signal: AbortSignal,
    isOwn: (eventId: string) => boolean,
  ): Promise<AggregateTail> {
    await this.#turns();
    if (this.random() < 0.05) throw new AggregateTransportError('JETSTREAM_REQUEST_FAILED', 'text');
    const own = this.messages.filter((message) => message.token === token);
    const last = own.at(-1)?.sequence ?? 0;
    const above = own.filter(({ sequence }) => sequence > after);
    const end = above.at(-1);
    const tail = end !== undefined && isOwn(end.eventId) ? [end] : above;
    return { last, sequences: new Map(tail.map(({ eventId, sequence }) => [eventId, sequence])) };
  }

  async progress(): Promise<StreamProgress> {
    await this.#turns();
    return { created: String(this.#created), lastSequence: this.#sequence };
  }

  resume(): void {
    // A queue of this process; there is none here.
  }

  async #turns(): Promise<void> {
    for (let i = Math.floor(this.random() * 4); i > 0; i--) await Promise.resolve();
  }
}

/** Timers fire when the run says so. */
class Timers implements Clock {
  readonly #due: (() => void)[] = [];
  now = (): number => 0;
  wallNow = (): number => 0;

  after(_delayMs: number, callback: () => void): { cancel(): void } {
    this.#due.push(callback);
    return { cancel: () => undefined };
  }

  fire(): void {
    for (const callback of this.#due.splice(0)) callback();
  }
}

interface Row {
  readonly id: number;
  readonly token: string;
}

const eventOf = ({ id, token }: Row): CheckedEvent => ({
  ...{ token, eventId: String(id), body: new Uint8Array(1), isJson: true, headers: undefined },
});

/** One relay after the other: each dies at any step, and its copies may arrive later. */
async function run(random: () => number): Promise<void> {
  const stream = new Stream(random);
  const open = new Set<Row>();
  let ids = 0;
  let checkpoint = 0;
  const add = (): void => {
    open.add({ id: ++ids, token: AGGREGATES[Math.floor(random() * AGGREGATES.length)]! });
  };
  for (let i = 0; i < 10; i++) add();
  for (let relay = 0; relay < 6 && (open.size > 0 || relay < 3); relay++) {
    const isLast = relay === 5;
    const sentBelow = ids;
    const end = new AbortController();
    const clock = new Timers();
    const lanes = new Lanes({ rows: 100, bytes: 10_000 });
    const height = new StreamHeight(await stream.progress());
    const floor = checkpoint;
    const taken = new Set<number>();
    const sender = new Sender({
      ...{ target: stream, lanes, height, clock, signal: end.signal },
      listener: {
        stored: (rows) => {
          // A relay that was killed between send and mark marks nothing.
          if (random() < 0.1 && !isLast) return;
          const marked = rows.map(({ id }) => id);
          for (const row of [...open]) if (marked.includes(row.id)) open.delete(row);
          lanes.release(marked);
          // Rows that an earlier relay may have sent are not all in memory.
          if ([...open].some(({ id }) => id <= sentBelow && !taken.has(id))) return;
          checkpoint = Math.max(checkpoint, lanes.lowestFloor ?? height.highest);
        },
        refused: () => undefined,
        failed: () => undefined,
        streamChanged: () => lanes.forgetSequences(),
      },
    });
    const load = (): void => {
      for (const row of open) {
        if (taken.has(row.id)) continue;
        if (random() < 0.5) break;
        taken.add(row.id);
        lanes.add(
          { id: row.id, event: eventOf(row), bytes: 1 },
          row.id <= sentBelow ? floor : height.highest,
        );
      }
      sender.start();
    };
    for (let step = 0; step < (isLast ? 3_000 : 60 * random()); step++) {
      if (!isLast && random() < 0.1) add();
      if (!isLast && random() < 0.05) stream.foreign('a');
      if (random() < 0.1) stream.late.splice(Math.floor(random() * stream.late.length), 1)[0]?.();
      if (random() < 0.3) clock.fire();
      load();
      await Promise.resolve();
      if (isLast && open.size === 0) break;
    }
    end.abort();
  }
  for (const copy of stream.late) copy();
  expect(open.size).toBe(0);
  const own = stream.messages.filter(({ eventId }) => !eventId.startsWith('foreign'));
  expect(own.map(({ eventId }) => Number(eventId)).sort((one, other) => one - other)).toEqual(
    Array.from({ length: ids }, (_, index) => index + 1),
  );
  for (const token of AGGREGATES) {
    const stored = own.filter((message) => message.token === token).map(({ eventId }) => Number(eventId));
    expect(stored).toEqual([...stored].sort((one, other) => one - other));
  }
}

test('stores each row once and in order, whichever answers are lost and whenever copies arrive', async () => {
  const random = seededRandom('relayed once');
  for (let i = 0; i < 300; i++) await run(random);
});
