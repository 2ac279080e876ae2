import { afterEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import type { Delivery } from '#library/message/delivery.js';
import { partitionOf } from '#library/message/partitioning.js';
import { subjectOf, tokenOfSubject } from '#library/message/subject.js';
import type { KeyPort } from '#library/records/key-port.js';
import { decodeSequences, type PositionRecord } from '#library/records/position-record.js';
import type { SabotagedRule } from '#library/sabotage.js';
import type { MemoryMessage } from '#library/testing/memory/memory-stream.js';
import { recordOf, TOPIC } from '../position/position-fixture.js';
import type { Process } from './partition-fixture.js';

// Owners of one partition that come and go, over readers with faults. Each aggregate is handled in order, nothing is
// lost, and nothing comes again that the claimed record calls settled.

const sabotage: { rule: SabotagedRule | undefined } = { rule: undefined };
jest.unstable_mockModule('#sabotage', () => ({
  isSabotaged: (rule: SabotagedRule) => rule === sabotage.rule,
  reached: () => undefined,
}));
const { PartitionWorld } = await import('./partition-fixture.js');

const KINDS = {
  ...{ store: 8, end: 6, pass: 4 },
  // The owner ends without a word; loses its lease and lives; another one owns.
  ...{ die: 4, lose: 2, own: 8 },
  // Readers.
  ...{ 'skip listed': 2, 'begin below': 2, 'lose delivery': 2, restart: 1, silence: 1, delete: 1 },
  ...{ disconnect: 1, reconnect: 2, 'drop find': 2, 'drop open': 1, 'drop stream': 1 },
  // An operator narrows the filters of all readers, and the owner lives until its next look and commit.
  narrow: 1,
  // Commits and claims.
  ...{ 'hold write': 1, arrive: 2, 'drop answer': 1, 'fail read': 1 },
} as const;
type Kind = keyof typeof KINDS;

interface Step {
  readonly kind: Kind;
  readonly pick: number;
}

interface Walk {
  readonly steps: readonly Step[];
  /** One in so many handlers does not end by itself; 0: all do. */
  readonly hangs: number;
  readonly maxAckPending: number;
  readonly batch: number;
  /** The partition is half of a split one, whose record lists so many events of both halves; 0: it is the only one. */
  readonly inherited: number;
}

const weighted = Object.entries(KINDS).map(([kind, weight]) => ({
  weight,
  arbitrary: fc.constant(kind as Kind),
}));
const walks: fc.Arbitrary<Walk> = fc.record({
  steps: fc.array(fc.record({ kind: fc.oneof(...weighted), pick: fc.nat(1_000) }), {
    minLength: 5,
    maxLength: 60,
    size: 'max',
  }),
  hangs: fc.constantFrom(2, 3, 0),
  maxAckPending: fc.constantFrom(3, 20, 1_000),
  batch: fc.constantFrom(2, 10, 100),
  inherited: fc.constantFrom(0, 0, 5, 30),
});

/** A look every 4 s, and its answer. */
const LOOKED_WITHIN_MS = 5_000;
const AGGREGATES = ['k', 'l', 'm'];

/** Judges every start of a handler. */
class Judge {
  readonly faults: string[] = [];
  /** What was claimed in each epoch. */
  readonly claims = new Map<number, PositionRecord>();
  readonly ended = new Set<number>();
  readonly #started = new Map<string, number>();

  constructor(private readonly world: JudgedWorld) {}

  starts(process: Process, { sequence, token }: Delivery): void {
    const { epoch } = process.tenancy;
    const what = `event ${sequence} of ${token} in epoch ${epoch}`;
    const claim = this.claims.get(epoch);
    if (claim === undefined) this.faults.push(`${what} starts without a claim`);
    else if (isSettledBy(claim, sequence) && !this.world.letters.has(sequence)) {
      this.faults.push(`${what} starts although its claim calls it settled`);
    }
    const before = this.#started.get(`${epoch} ${token}`) ?? 0;
    if (sequence <= before) this.faults.push(`${what} starts after ${before}`);
    this.#started.set(`${epoch} ${token}`, sequence);
    const earlier = this.world.events.find(
      (message) =>
        message.sequence < sequence &&
        message.subject.endsWith(`.${token}`) &&
        !this.ended.has(message.sequence),
    );
    if (earlier !== undefined) this.faults.push(`${what} starts although ${earlier.sequence} has not ended`);
  }
}

function isSettledBy({ high, unsettled }: PositionRecord, sequence: number): boolean {
  return sequence <= high && !decodeSequences(unsettled).includes(sequence);
}

class JudgedWorld extends PartitionWorld {
  readonly judge = new Judge(this);

  /** The events of the partition that the stream holds. */
  get events(): readonly MemoryMessage[] {
    const { partition = 0, partitions = 1 } = this.options;
    return this.stream.messages.filter(
      ({ subject }) => partitionOf(tokenOfSubject(subject), partitions) === partition,
    );
  }

  override positionPort(): KeyPort<PositionRecord> {
    const port = super.positionPort();
    return {
      get maxBytes() {
        return port.maxBytes;
      },
      read: () => port.read(),
      write: (record, revision) => {
        if (record.write === 1) this.judge.claims.set(record.epoch, record);
        return port.write(record, revision);
      },
      onHint: (callback) => port.onHint(callback),
      close: () => port.close(),
    };
  }
}

let open: JudgedWorld | undefined;
afterEach(() => {
  open?.close();
  sabotage.rule = undefined;
});

/** Walks, and returns what went wrong. */
async function walk({ steps, hangs, inherited, ...bounds }: Walk): Promise<readonly string[]> {
  open?.close();
  const world = (open = new JudgedWorld({ ...bounds, partitions: inherited > 0 ? 2 : 1 }));
  const { judge, readers, position } = world;
  if (inherited > 0) {
    world.store(...Array.from({ length: inherited }, (_, index) => AGGREGATES[(index * 7) % 3]!));
    const unsettled = `1*${inherited.toString(36)}`;
    const { created } = world.stream;
    position.restore({
      value: recordOf({ created, high: inherited, unsettled, owner: '', write: 0 }),
      revision: 1,
    });
    world.epoch = 1;
  }
  let processes = 0;
  let owner: Process | undefined;
  world.holds = ({ sequence }) => hangs > 0 && (sequence * 7) % hangs === 0;
  const processOf = (): Process => {
    const alive = world.processes.filter(({ consumer }) => consumer.mode !== 'closed');
    return alive[processes++ % 2] ?? world.open(`p${processes}`);
  };
  const note = (): void => {
    for (const sequence of world.handled) judge.ended.add(sequence);
  };
  world.watchStarts((name, event) => {
    note();
    judge.starts(
      world.processes.find((one) => one.name === name)!,
      event,
    );
  });
  const carryOut: Record<Kind, (pick: number) => unknown> = {
    store: (pick) =>
      world.store(...Array.from({ length: 1 + (pick % 5) }, (_, index) => AGGREGATES[(pick + index) % 3]!)),
    end: (pick) => world.running[pick % Math.max(1, world.running.length)]?.end(),
    pass: (pick) => world.pass(pick, 100),
    die: () => {
      if (owner === undefined) return;
      owner.tenancy.isHeld = false;
      owner.consumer.close();
      for (const run of world.running.filter(({ process }) => process === owner?.name)) {
        world.running.splice(world.running.indexOf(run), 1);
      }
      owner = undefined;
    },
    lose: () => {
      if (owner !== undefined) world.lose(owner);
      owner = undefined;
    },
    own: () => {
      if (owner !== undefined || world.processes.some(({ tenancy }) => tenancy.isHeld)) return;
      owner = processOf();
      world.own(owner);
    },
    'skip listed': (pick) => {
      const listed = decodeSequences(position.stored.value?.unsettled ?? '');
      // What an owner lists after an edit it has still to read: a reader as made does not pass over that.
      const { epoch = 0 } = owner?.tenancy ?? {};
      const claimed = decodeSequences(judge.claims.get(epoch)?.unsettled ?? '');
      const known = owner === undefined ? listed : listed.filter((sequence) => claimed.includes(sequence));
      if (known.length > 0) readers.faults.skip(known[pick % known.length]!);
    },
    'begin below': (pick) => readers.faults.beginBelow(pick % 12),
    'lose delivery': (pick) => readers.faults.loseDeliveries(1 + (pick % 2)),
    narrow: async (pick) => {
      const subject = subjectOf(TOPIC, AGGREGATES[pick % 3]!);
      for (const reader of readers.open) reader.narrow(subject);
      world.store(...AGGREGATES, ...AGGREGATES);
      for (const held of [...position.faults.held]) held.arrive();
      await world.pass(LOOKED_WITHIN_MS, 100);
    },
    restart: () => readers.restartAll(),
    silence: () => readers.silenceAll(),
    delete: () => readers.deleteAll(),
    disconnect: () => readers.disconnect(),
    reconnect: () => readers.reconnect(),
    'drop find': () => readers.faults.dropAnswer('find'),
    'drop open': () => readers.faults.dropAnswer('open'),
    'drop stream': () => readers.faults.dropAnswer('stream'),
    'hold write': () => position.faults.holdWrite(),
    arrive: (pick) => position.faults.held[pick % Math.max(1, position.faults.held.length)]?.arrive(),
    'drop answer': () => position.faults.dropAnswer(),
    'fail read': () => position.faults.failRead(),
  };
  for (const { kind, pick } of steps) {
    await carryOut[kind](pick);
    await world.settle(1 + (pick % 12));
  }
  // The faults end, and everything comes to its end.
  readers.reconnect();
  carryOut.own(0);
  world.holds = () => false;
  for (let round = 0; round < 40 && !(isDone(world) && isAllHandled(world)); round++) {
    for (const held of [...position.faults.held]) held.arrive();
    for (const run of [...world.running]) run.end();
    await world.pass(500, 100);
  }
  note();
  const left = world.events
    .filter(({ sequence }) => !judge.ended.has(sequence))
    .map(({ sequence }) => sequence);
  if (left.length > 0) judge.faults.push(`never handled: ${left.join(', ')}`);
  if (!isDone(world)) judge.faults.push(`the position says ${JSON.stringify(position.stored.value)}`);
  if (world.bytesHeld() !== 0) judge.faults.push(`${world.bytesHeld()} bytes are never given back`);
  world.close();
  return judge.faults;
}

function isAllHandled({ events, handled }: JudgedWorld): boolean {
  const ended = new Set(handled);
  return events.every(({ sequence }) => ended.has(sequence));
}

function isDone({ position, events }: JudgedWorld): boolean {
  const { value } = position.stored;
  const last = events.at(-1)?.sequence ?? 0;
  return last === 0 || (value?.unsettled === '' && value.high >= last);
}

describe('a partition whose owners and readers fail', () => {
  test('handles each aggregate in order, loses nothing and repeats nothing that its claim knew', async () => {
    await fc.assert(
      fc.asyncProperty(walks, async (drawn) => {
        expect(await walk(drawn)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test.each<SabotagedRule>([
    'no-gate',
    'no-pass-over',
    'placeholder-not-waited-for',
    'list-ignored',
    'commit-ahead',
    'settled-again',
  ])('is seen to fail with %s', async (rule) => {
    sabotage.rule = rule;
    const { failed } = await fc.check(
      fc.asyncProperty(walks, async (drawn) => (await walk(drawn)).length === 0),
      { numRuns: 400, endOnFailure: true },
    );
    expect(failed).toBe(true);
  });
});

/** An owner inherits events 1 to 4, handles half of them, commits, and dies before its reader delivers the others. */
async function diesAmongListed(): Promise<readonly number[]> {
  open?.close();
  const world = (open = new JudgedWorld({ batch: 2 }));
  const { created } = world.stream;
  world.store('k', 'l', 'm', 'n', 'o');
  world.position.restore({
    value: recordOf({ created, high: 5, unsettled: '1*4', owner: 'x' }),
    revision: 1,
  });
  world.epoch = 1;
  const first = world.open('a');
  world.watchStarts((_name, { sequence }) => {
    if (sequence === 2) world.readers.silenceAll();
  });
  world.own(first);
  await world.settle();
  world.lose(first);
  world.own(world.open('b'));
  await world.settle();
  return world.handled;
}

describe('an owner that dies among the unsettled events of its claim', () => {
  test('leaves those that were not read to its successor', async () => {
    expect(await diesAmongListed()).toEqual([1, 2, 3, 4]);
  });

  test('is seen to lose them with no-placeholders', async () => {
    sabotage.rule = 'no-placeholders';
    expect(await diesAmongListed()).not.toEqual(expect.arrayContaining([3, 4]));
  });
});

describe('a stream restored to an earlier time between two readers', () => {
  /** The events of the restored stream that are handled. */
  const restored = async (): Promise<{ readonly mode: string; readonly handled: readonly number[] }> => {
    open?.close();
    const world = (open = new JudgedWorld());
    const owner = world.open('a');
    world.store('k', 'k', 'k', 'k');
    world.own(owner);
    await world.settle();
    world.stream.restore(2);
    world.store('k', 'k', 'k');
    await world.pass(3_000);
    return { mode: owner.consumer.mode, handled: world.handled };
  };

  test('halts the partition: sequences that were handled belong to other events', async () => {
    expect(await restored()).toEqual({ mode: 'halted', handled: [1, 2, 3, 4] });
  });

  test('is seen to lose events with regression-unnoticed', async () => {
    sabotage.rule = 'regression-unnoticed';
    expect(await restored()).toEqual({ mode: 'running', handled: [1, 2, 3, 4, 5] });
  });
});
