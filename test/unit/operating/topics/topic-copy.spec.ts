import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import { AggregateTransportError } from '#library/errors.js';
import { subjectOf } from '#library/message/subject.js';
import type { StoredMessage } from '#library/message/stored-event.js';
import type {
  CopiedEvent,
  CopyAnswer,
  CopySource,
  CopyTarget,
} from '#library/operating/topics/copy-ports.js';
import type { SabotagedRule } from '#library/sabotage.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { randomOf } from '../../../faults/harness/random.js';

const sabotage: { rule: SabotagedRule | undefined } = { rule: undefined };
jest.unstable_mockModule('#sabotage', () => ({
  isSabotaged: (rule: SabotagedRule) => rule === sabotage.rule,
  reached: () => undefined,
}));
const { TopicCopy } = await import('#library/operating/topics/topic-copy.js');
const { NO_RENAMES, parseRenames } = await import('#library/operating/topics/rename-ids.js');
const { ALL, parseChosen } = await import('#library/operating/topics/chosen-ids.js');
const { copiedSequence } = await import('#library/operating/topics/copied-mark.js');
type Renames = ReturnType<typeof parseRenames>;

const CREATED = '2026-01-01T00:00:00Z';
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function eventOf(sequence: number, token: string): StoredMessage {
  const body = JSON.stringify({ event_id: `e${sequence}`, aggregate_id: token, payload: { n: sequence } });
  return {
    sequence,
    storedAt: CREATED,
    subject: subjectOf('orders', token),
    headers: { 'Nats-Msg-Id': `${token}:e${sequence}`, 'Nats-Expected-Stream': 'orders', own: 'kept' },
    body: Buffer.from(body, 'utf8'),
  };
}

function sourceOf(events: readonly StoredMessage[]): CopySource {
  return {
    topic: 'orders',
    created: CREATED,
    state: () =>
      Promise.resolve({ firstSequence: 1, lastSequence: events.length, messages: events.length, bytes: 0 }),
    events: async function* (from) {
      await turn();
      for (const event of events) if (event.sequence >= from) yield event;
    },
  };
}

/** What becomes of a write, in a stream whose duplicate window is long over. */
type Fate = 'answered' | 'answer lost' | 'lost' | 'late';

/** The stream that is written to. Outlives the processes that copy. */
class FakeStream {
  readonly stored: (CopiedEvent & { readonly sequence: number })[] = [];
  readonly late: (() => void)[] = [];

  store(event: CopiedEvent, after: number | undefined): CopyAnswer {
    const last = this.stored.findLast(({ token }) => token === event.token)?.sequence ?? 0;
    if (after !== undefined && after !== last) return { kind: 'moved' };
    const sequence = this.stored.length + 1;
    this.stored.push({ ...event, sequence });
    return { kind: 'stored', sequence, duplicate: false };
  }

  of(token: string): StoredMessage[] {
    return this.stored
      .filter((event) => event.token === token)
      .map(({ sequence, headers, body }) => ({ sequence, headers, body, storedAt: CREATED }));
  }

  /** One process's way to it. After `writes` of them the process is gone. */
  connect(fateOf: () => Fate = () => 'answered', writes = Infinity): CopyTarget {
    let left = writes;
    return {
      topic: 'sales',
      state: () =>
        Promise.resolve({ firstSequence: 1, lastSequence: this.stored.length, messages: 0, bytes: 0 }),
      last: async (token) => {
        await turn();
        return this.of(token).at(-1);
      },
      history: async function* () {},
      store: async (event, after) => {
        if (--left < 0) return new Promise(() => undefined);
        await turn();
        const fate = fateOf();
        const carryOut = (): CopyAnswer => this.store(event, after);
        if (fate === 'late') this.late.push(() => void carryOut());
        if (fate === 'lost' || fate === 'late') throw unknown();
        const answer = carryOut();
        if (fate === 'answer lost') throw unknown();
        await turn();
        return answer;
      },
    };
  }
}

function unknown(): AggregateTransportError {
  return new AggregateTransportError('JETSTREAM_REQUEST_FAILED', 'expected an answer, found none');
}

function copyOf(
  source: CopySource,
  target: CopyTarget,
  renames: Renames = NO_RENAMES,
  { dryRun = false, chosen = ALL } = {},
) {
  const clock = new ManualClock();
  const parts = { source, target, renames, chosen, clock, dryRun, giveUpAfterMs: 600_000 };
  const copy = new TopicCopy(parts);
  /** Time passes while it waits to try again. */
  const finish = async (): Promise<'done' | 'gone'> => {
    let outcome: 'done' | undefined;
    const running = copy.run().then(() => (outcome = 'done'));
    running.catch(() => undefined);
    for (let turns = 0; turns < 3_000 && outcome === undefined; turns++) {
      await Promise.race([running, turn()]);
      if (turns % 4 === 3) await clock.advance(500);
    }
    return outcome ?? 'gone';
  };
  return { copy, finish };
}

const aggregates = ['a', 'b', 'c'];
const events = Array.from({ length: 24 }, (_, index) =>
  eventOf(index + 1, aggregates[(index * 7 + (index >> 2)) % 3]!),
);

/** What the target must hold of each aggregate: its events, in order, once. */
function faultsIn(stream: FakeStream): string[] {
  return aggregates.flatMap((token) => {
    const wanted = events
      .filter(({ subject }) => subject === subjectOf('orders', token))
      .map((e) => e.sequence);
    const found = stream
      .of(token)
      .map(({ headers }) => copiedSequence(headers, { topic: 'orders', created: CREATED }));
    return wanted.join() === found.join()
      ? []
      : [`${token}: expected ${wanted.join()}, found ${found.join()}`];
  });
}

beforeEach(() => {
  sabotage.rule = undefined;
});

describe('the copy of a topic', () => {
  test('keeps order, ids, own headers and bodies, and names each original', async () => {
    const stream = new FakeStream();
    const { copy, finish } = copyOf(sourceOf(events), stream.connect());
    expect(await finish()).toBe('done');
    expect(faultsIn(stream)).toEqual([]);
    expect(copy.progress).toEqual({ through: 24, copied: 24, found: 0 });
    const first = stream.of('a')[0]!;
    expect(first.headers).toEqual({
      'Nats-Msg-Id': 'a:e1',
      'Aggregate-Transport-Copied': `orders ${CREATED} 1`,
      own: 'kept',
    });
    expect(Buffer.from(first.body).equals(events[0]!.body)).toBe(true);
  });

  test('does not write in a dry run, and counts what it would copy', async () => {
    const stream = new FakeStream();
    await copyOf(sourceOf(events.slice(0, 10)), stream.connect()).finish();
    const { copy, finish } = copyOf(sourceOf(events), stream.connect(), NO_RENAMES, { dryRun: true });
    expect(await finish()).toBe('done');
    expect(copy.progress).toEqual({ through: 24, copied: 14, found: 10 });
    expect(stream.stored).toHaveLength(10);
  });

  test('refuses to continue an aggregate that another publisher writes to', async () => {
    const stream = new FakeStream();
    await copyOf(sourceOf(events.slice(0, 10)), stream.connect()).finish();
    stream.store({ token: 'b', headers: {}, body: new Uint8Array() }, undefined);
    await expect(copyOf(sourceOf(events), stream.connect()).copy.run()).rejects.toMatchObject({
      code: 'COPY_REFUSED',
      message: expect.stringContaining('"b"'),
    });
  });

  test('refuses an event that lies on no subject of an aggregate', async () => {
    const stray = { ...eventOf(1, 'a'), subject: 'orders.0.0.0.0.0.0.0.0.a' };
    const { copy } = copyOf(sourceOf([stray, ...events.slice(1)]), new FakeStream().connect());
    await expect(copy.run()).rejects.toMatchObject({
      code: 'COPY_REFUSED',
      message: expect.stringContaining('event 1'),
    });
  });

  test('copies only aggregates that are chosen, by the ids they had', async () => {
    const stream = new FakeStream();
    await copyOf(sourceOf(events), stream.connect(), parseRenames('a,z'), {
      chosen: parseChosen('a*'),
    }).finish();
    expect(new Set(stream.stored.map(({ token }) => token))).toEqual(new Set(['z']));
    expect(stream.stored).toHaveLength(events.filter(({ subject = '' }) => subject.endsWith('.a')).length);
  });

  test.each([
    ['pay-*', ['pay-1', 'pay-'], ['pay', 'x-pay-1']],
    ['*.eu', ['a.eu', '.eu'], ['axeu', 'a.eu.x']],
    ['a*c', ['ac', 'abc', 'a\nc'], ['abcd']],
    ['(a)', ['(a)'], ['a']],
  ])('reads the pattern %s', (pattern, meant, others) => {
    const chosen = parseChosen(pattern);
    expect([...meant, ...others].filter(chosen)).toEqual(meant);
  });

  test('refuses an empty pattern', () => {
    expect(() => parseChosen('')).toThrow('found nothing');
  });

  test('renames aggregates, and keeps the rest of the body byte for byte', async () => {
    const stream = new FakeStream();
    const body =
      '{"payload":{"aggregate_id":"a","big":12345678901234567890}, "aggregate_id" : "a","event_id":"x"}';
    const event = { ...eventOf(1, 'a'), body: Buffer.from(body) };
    await copyOf(sourceOf([event]), stream.connect(), parseRenames('a,new id')).finish();
    const [stored] = stream.stored;
    expect(stored!.headers['Nats-Msg-Id']).toBe(`${stored!.token}:e1`);
    expect(Buffer.from(stored!.body).toString()).toBe(
      '{"payload":{"aggregate_id":"a","big":12345678901234567890}, "aggregate_id":"new id","event_id":"x"}',
    );
  });

  test.each([
    ['a,x\nb,x', 'both to be "x"'],
    ['{"a":"x","b":"x"}', 'both to be "x"'],
    ['a,x\na,y', '"a" twice'],
    ['{"a":1}', 'no text for "a"'],
    ['{"a"', 'no JSON'],
    ['a;x', 'line 1 in another form'],
  ])('refuses new names that are none, or that make one aggregate of two: %j', (text, found) => {
    expect(() => parseRenames(text)).toThrow(found);
  });

  test('reads quoted names, and swaps two', () => {
    const { tokenOf } = parseRenames('a,b\r\nb,a\n\n"c,""d""",e\n');
    expect([tokenOf('a'), tokenOf('b'), tokenOf('z')]).toEqual(['b', 'a', 'z']);
  });

  test('refuses an aggregate whose own name another one gets', async () => {
    const { copy } = copyOf(sourceOf(events), new FakeStream().connect(), parseRenames('a,b'));
    await expect(copy.run()).rejects.toMatchObject({ code: 'COPY_REFUSED' });
  });
});

/** Processes that are killed one after the other, some of them side by side, while writes get lost and come late. */
async function killedCopies(seed: number): Promise<string[]> {
  const random = randomOf(seed);
  const stream = new FakeStream();
  const fateOf = (): Fate => {
    const dice = random();
    if (dice < 0.7) return 'answered';
    return dice < 0.8 ? 'answer lost' : dice < 0.9 ? 'lost' : 'late';
  };
  for (let run = 0; run < 4; run++) {
    const writes = run === 3 ? Infinity : Math.floor(random() * 12);
    const beside = random() < 0.3;
    const copies = [writes, ...(beside ? [Math.floor(random() * 12)] : [])];
    await Promise.all(
      copies.map((left) =>
        copyOf(sourceOf(events), stream.connect(run === 3 ? undefined : fateOf, left)).finish(),
      ),
    );
    for (const arrive of stream.late.splice(0)) arrive();
  }
  return faultsIn(stream).map((fault) => `seed ${seed}: ${fault}`);
}

async function killedCopiesOf(seeds: number): Promise<string[]> {
  const faults: string[] = [];
  for (let seed = 1; seed <= seeds; seed++) faults.push(...(await killedCopies(seed)));
  return faults;
}

test('a copy that is killed at any write and run again stores each event once, in order', async () => {
  expect(await killedCopiesOf(12)).toEqual([]);
});

test('without the compare, events are stored twice or out of order', async () => {
  sabotage.rule = 'copy-not-compared';
  expect((await killedCopiesOf(4)).length).toBeGreaterThan(0);
});
