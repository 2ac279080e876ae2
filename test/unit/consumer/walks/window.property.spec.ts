import { afterEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import type { PositionRecord } from '#library/records/position-record.js';
import { decodeSequences } from '#library/records/position-record.js';
import type { SabotagedRule } from '#library/sabotage.js';
import type { Failure } from '#library/consumer/handling/outcome.js';
import type { Process, Run } from './partition-fixture.js';

// Owners with different bounds that die and come to rest. What an owner has started is among the first `window`
// unsettled events of its record. So it is in every later record until the event has ended.

const sabotage: { rule: SabotagedRule | undefined } = { rule: undefined };
jest.unstable_mockModule('#sabotage', () => ({
  isSabotaged: (rule: SabotagedRule) => rule === sabotage.rule,
  reached: () => undefined,
}));
const { PartitionWorld } = await import('./partition-fixture.js');

afterEach(() => {
  sabotage.rule = undefined;
});

const KINDS = {
  ...{ store: 8, end: 8, fail: 2, pass: 4, turn: 4 },
  ...{ die: 4, 'hand over': 1, own: 8 },
  ...{ 'hold write': 1, arrive: 2 },
} as const;
type Kind = keyof typeof KINDS;
type Step = readonly [kind: Kind, pick: number];

const weighted = Object.entries(KINDS).map(([kind, weight]) => ({
  weight,
  arbitrary: fc.constant(kind as Kind),
}));
const walks = fc.record({
  steps: fc.array(fc.tuple(fc.oneof(...weighted), fc.nat(1_000)), {
    minLength: 10,
    maxLength: 70,
    size: 'max',
  }),
  /** The bounds of one owner after the other. */
  bounds: fc.array(fc.constantFrom(1, 2, 5, 12, 40), { minLength: 3, maxLength: 3 }),
  batch: fc.constantFrom(2, 10, 100),
});
type Walk = (typeof walks extends fc.Arbitrary<infer T> ? T : never) & { readonly steps: readonly Step[] };

/** A walk from words, such as `own 0, store 2`. */
function walkOf(options: Pick<Walk, 'bounds' | 'batch'>, words: string): Walk {
  const steps = words.split(', ').map((step): [Kind, number] => {
    const at = step.lastIndexOf(' ');
    return [step.slice(0, at) as Kind, Number(step.slice(at + 1))];
  });
  return { ...options, steps };
}

/**
 * The last commit of a drain is held back and the drain is undone. The owner starts events again and dies, and then the
 * commit arrives and says that it came to rest.
 */
const UNDONE_DRAIN = walkOf(
  { bounds: [5, 1, 1], batch: 2 },
  'own 0, store 2, hold write 39, hand over 0, die 0, end 0, fail 0, arrive 0, own 0, ' +
    'store 3, hand over 0, store 0, pass 0, store 0, own 0',
);

/**
 * An owner that starts many events at once dies while a write of it is held back. Its successors start one at a time:
 * what they write must not name fewer events than the first one had started.
 */
const NARROWED = walkOf(
  { bounds: [40, 1, 1], batch: 2 },
  'own 0, store 3, hold write 0, own 598, die 0, own 3, die 0, own 613, fail 59, store 0, end 1',
);

const FAILURE: Failure = { stage: 'handler', error: new Error('no stock'), unrecoverable: false };

async function walk({ steps, bounds, batch }: Walk): Promise<readonly string[]> {
  const world = new PartitionWorld({ batch });
  const { position, stream } = world;
  const faults = new Set<string>();
  /** Started by an owner that has died or still runs, and no attempt has ended since. */
  const open = new Map<number, string>();
  let owner: Process | undefined;
  let owners = 0;
  world.holds = () => true;
  world.watchStarts((name, { sequence }) => void open.set(sequence, `by ${name} in epoch ${world.epoch}`));
  const look = (): void => {
    const record = position.stored.value;
    if (record !== undefined)
      for (const fault of outside(record, open, stream.lastSequence)) faults.add(fault);
  };
  const endRun = (run: Run | undefined, failure?: Failure): void => {
    if (run === undefined) return;
    open.delete(run.event.sequence);
    run.end(failure);
  };
  const anyRun = (pick: number): Run | undefined => world.running[pick % Math.max(1, world.running.length)];
  const forgetRuns = (): void => void world.running.splice(0);
  const carryOut: Record<Kind, (pick: number) => unknown> = {
    store: (pick) =>
      world.store(...Array.from({ length: 1 + (pick % 12) }, (_, index) => `k${(pick + index) % 40}`)),
    end: (pick) => {
      for (let left = 1 + (pick % 5); left > 0; left--) endRun(anyRun(pick + left));
    },
    fail: (pick) => endRun(anyRun(pick), FAILURE),
    pass: (pick) => world.pass(pick % 400, 100),
    turn: (pick) => world.settle(1 + (pick % 30)),
    die: () => {
      if (owner === undefined) return;
      owner.tenancy.isHeld = false;
      owner.consumer.close();
      forgetRuns();
      owner = undefined;
    },
    'hand over': async () => {
      if (owner === undefined) return;
      const { consumer, tenancy } = owner;
      const isDrained = consumer.drain.completed(200);
      while (world.running.length > 0) endRun(world.running[0]);
      await world.pass(300, 50);
      if (await isDrained) {
        tenancy.isHeld = false;
        consumer.disown('handed over');
        consumer.close();
        owner = undefined;
        // An owner that came to rest leaves nothing to look for.
        open.clear();
      } else consumer.drain.undo();
    },
    own: () => {
      if (owner !== undefined) return;
      const maxAckPending = bounds[owners % bounds.length]!;
      owner = world.open(`p${++owners}`, { batch, maxAckPending });
      world.own(owner);
    },
    'hold write': () => position.faults.holdWrite(),
    arrive: () => position.faults.held[0]?.arrive(),
  };
  for (const [kind, pick] of steps) {
    await carryOut[kind](pick);
    for (let turn = pick % 12; turn >= 0; turn--) {
      look();
      await world.settle(1);
    }
    look();
  }
  world.close();
  return [...faults];
}

/** Started events that a record does not name among its first `window` unsettled ones. */
function* outside(
  { high, unsettled, window, epoch, write }: PositionRecord,
  open: ReadonlyMap<number, string>,
  last: number,
): Generator<string> {
  const candidates = decodeSequences(unsettled);
  for (let sequence = high + 1; sequence <= last; sequence++) candidates.push(sequence);
  for (const [sequence, started] of open) {
    const index = candidates.indexOf(sequence);
    if (index < window) continue;
    yield `write ${write} of epoch ${epoch} has window ${window}; ${sequence}, started ${started}, is number ${index + 1}`;
  }
}

describe('the window of a position', () => {
  test('covers every event that an owner has started and no attempt has ended since', async () => {
    await fc.assert(
      fc.asyncProperty(walks, async (drawn) => {
        expect(await walk(drawn)).toEqual([]);
      }),
      { numRuns: 40, examples: [[UNDONE_DRAIN], [NARROWED]] },
    );
  });

  test('is seen to miss some with window-shrinks', async () => {
    sabotage.rule = 'window-shrinks';
    expect(await walk(NARROWED)).not.toEqual([]);
  });
});
