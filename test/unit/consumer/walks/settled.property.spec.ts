import { afterEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import type { Delivery } from '#library/message/delivery.js';
import type { KeyPort } from '#library/records/key-port.js';
import { decodeSequences, type PositionRecord } from '#library/records/position-record.js';
import type { SabotagedRule } from '#library/sabotage.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryKey } from '#library/testing/memory/memory-key.js';
import { CREATED, deliveryOf, recordedLog } from '../position/position-fixture.js';

// Owners that claim, commit, sleep and die, with late writes, lost answers and deleted keys. What a record calls
// settled has ended, and each record follows the one before. Ledger, position, writer and claim are the real ones.

const sabotage: { rule: SabotagedRule | undefined } = { rule: undefined };
jest.unstable_mockModule('#sabotage', () => ({
  isSabotaged: (rule: SabotagedRule) => rule === sabotage.rule,
  reached: () => undefined,
}));
const { claimPosition } = await import('#library/consumer/position/claim.js');
const { CommitPace, WriteBudget } = await import('#library/consumer/position/commit-pace.js');
const { Ledger } = await import('#library/consumer/position/ledger.js');
const { Position } = await import('#library/consumer/position/position.js');
const { PositionWriter } = await import('#library/consumer/position/position-writer.js');

afterEach(() => {
  sabotage.rule = undefined;
});

const KINDS = {
  ...{ publish: 6, read: 8, end: 8, 'commit now': 2, pass: 4, turn: 6 },
  // An owner dies; sleeps, and another one claims; a claim begins.
  ...{ die: 2, sleep: 2, claim: 5 },
  ...{ hold: 3, 'drop answer': 2, 'fail read': 2, arrive: 4, 'delete key': 1 },
} as const;
type Kind = keyof typeof KINDS;
type Step = readonly [kind: Kind, pick: number];

const weighted = Object.entries(KINDS).map(([kind, weight]) => ({
  weight,
  arbitrary: fc.constant(kind as Kind),
}));
const walks = fc.array(fc.tuple(fc.oneof(...weighted), fc.nat(1_000)), {
  minLength: 10,
  maxLength: 80,
  size: 'max',
});

/** One process that may own the partition, without reader, lanes and handlers. */
class Owner {
  isAlive = true;
  isCurrent = true;
  epoch = 0;
  claimed: PositionRecord | undefined;
  readonly held: Delivery[] = [];
  readonly ledger = new Ledger({ take: () => undefined, give: () => undefined });
  readonly position = new Position(this.ledger, {
    snapshot: () => ({ deaths: 0, window: 1_000, starts: {} }),
  });
  readonly writer: InstanceType<typeof PositionWriter>;

  constructor(
    readonly name: string,
    private readonly world: World,
  ) {
    const { clock } = world;
    this.writer = new PositionWriter({
      name,
      port: world.connect(),
      source: this.position,
      listener: {
        confirmed: () => this.position.noteConfirmed(),
        superseded: () => void (this.isCurrent = false),
        unwritable: (reason) => void world.faults.push(reason),
      },
      pace: new CommitPace(clock, 5, new WriteBudget(clock)),
      clock,
      log: recordedLog(),
    });
  }

  get owns(): boolean {
    return this.isAlive && this.claimed !== undefined && this.writer.hasBegun;
  }

  async claim(): Promise<void> {
    const { world } = this;
    this.epoch = ++world.epoch;
    for (;;) {
      try {
        const outcome = await claimPosition(world.connect(), {
          ...{
            owner: this.name,
            epoch: this.epoch,
            bound: 1_000,
            wasClaimed: world.wasClaimed,
            created: CREATED,
            isRestored: false,
          },
          group: { start: { sequence: 0, created: CREATED, epoch: 0 }, hasRecords: false, run: 0 },
          isCurrent: () => this.isAlive && this.isCurrent,
        });
        if (outcome.kind !== 'claimed') return;
        world.wasClaimed = true;
        world.judge('claimed', outcome.record);
        this.claimed = outcome.record;
        this.position.begin(outcome.record, outcome.unsettled);
        this.writer.begin(outcome.record, outcome.revision);
        return;
      } catch {
        if (!this.isAlive || !this.isCurrent) return;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  read(count: number): void {
    const { ledger, position, world } = this;
    for (let left = count; left > 0 && ledger.lastTaken < world.last; left--) {
      const event = deliveryOf({ sequence: ledger.lastTaken + 1 });
      if (position.hasSettled(event)) ledger.pass(event);
      else {
        const { high = 0, unsettled = '' } = this.claimed ?? {};
        if (event.sequence <= high && !decodeSequences(unsettled).includes(event.sequence)) {
          world.faults.push(
            `${event.sequence} is handled again, which the claim of epoch ${this.epoch} calls settled`,
          );
        }
        ledger.takeIn(event);
        this.held.push(event);
      }
    }
  }

  /** A handler ends. It counts even if the owner was followed by another: late, not false. */
  end(pick: number): void {
    const [event] = this.held.splice(pick % Math.max(1, this.held.length), 1);
    if (event === undefined) return;
    this.world.ended.add(event.sequence);
    if (this.ledger.settle(event)) this.writer.noteChange();
  }

  die(): void {
    this.isAlive = false;
    this.writer.end();
    this.held.length = 0;
  }
}

class World {
  readonly clock = new ManualClock();
  readonly key = new MemoryKey<PositionRecord>({ clock: this.clock, moved: () => undefined });
  readonly owners: Owner[] = [];
  readonly ended = new Set<number>();
  readonly faults: string[] = [];
  epoch = 0;
  last = 0;
  wasClaimed = false;
  #seen: PositionRecord | undefined;

  /** `no-compare` is a rule of the server's key: here its port takes the revision that stands. */
  connect(): KeyPort<PositionRecord> {
    const port = this.key.connect();
    const { key } = this;
    return {
      get maxBytes() {
        return port.maxBytes;
      },
      read: () => port.read(),
      write: (record, revision) => {
        if (sabotage.rule !== 'no-compare') return port.write(record, revision);
        return this.#writeAnyway(port, record);
      },
      onHint: (callback) => port.onHint(callback),
      close: () => key.faults.held,
    };
  }

  async #writeAnyway(port: KeyPort<PositionRecord>, record: PositionRecord): Promise<number | undefined> {
    for (;;) {
      const revision = await port.write(record, this.key.stored.revision);
      if (revision !== undefined) return revision;
    }
  }

  /** Looks at the key after each step. */
  look(): void {
    const { value } = this.key.stored;
    if (value === undefined) {
      // Over a tombstone any owner may write what it knows: that is true, though it may be less.
      this.#seen = undefined;
      return;
    }
    this.judge('stored', value);
    const before = this.#seen;
    this.#seen = value;
    if (before === undefined) return;
    const isLater =
      value.epoch > before.epoch || (value.epoch === before.epoch && value.write >= before.write);
    if (!isLater) {
      this.faults.push(
        `write ${value.write} of epoch ${value.epoch} follows ${before.write} of ${before.epoch}`,
      );
    }
  }

  judge(what: string, { high, unsettled, epoch, write }: PositionRecord): void {
    const open = new Set(decodeSequences(unsettled));
    for (let sequence = 1; sequence <= high; sequence++) {
      if (open.has(sequence) || this.ended.has(sequence)) continue;
      this.faults.push(
        `${what}: write ${write} of epoch ${epoch} calls ${sequence} settled, which has not ended`,
      );
      return;
    }
  }
}

async function walk(steps: readonly Step[]): Promise<readonly string[]> {
  const world = new World();
  const { clock, key, owners } = world;
  const latest = (): Owner | undefined => owners.findLast(({ isAlive }) => isAlive);
  /** Mostly the last one. */
  const anyOf = (pick: number): Owner | undefined =>
    pick % 4 === 0 ? owners[(pick >> 2) % Math.max(1, owners.length)] : latest();
  let deleted: ReturnType<() => typeof key.stored> | undefined;
  const carryOut: Record<Kind, (pick: number) => unknown> = {
    publish: (pick) => (world.last += 1 + (pick % 4)),
    read: (pick) => {
      const owner = latest();
      if (owner?.owns === true && owner.isCurrent) owner.read(1 + (pick % 4));
    },
    end: (pick) => anyOf(pick)?.end(pick),
    'commit now': (pick) => void anyOf(pick)?.writer.commitNow(),
    pass: (pick) => clock.advance(pick),
    turn: (pick) => clock.settle(1 + (pick % 6)),
    die: (pick) => anyOf(pick)?.die(),
    // Its lease is over, and it does not know: it reads nothing more, and its commits are on their way.
    sleep: () => {
      const owner = latest();
      if (owner !== undefined) owner.isCurrent = false;
    },
    claim: () => {
      if (latest()?.isCurrent === true) return;
      const owner = new Owner(`o${owners.length}`, world);
      owners.push(owner);
      void owner.claim();
    },
    hold: () => key.faults.holdWrite(),
    'drop answer': () => key.faults.dropAnswer(),
    'fail read': () => key.faults.failRead(),
    arrive: (pick) => key.faults.held[pick % Math.max(1, key.faults.held.length)]?.arrive(),
    'delete key': () => {
      if (key.stored.value === undefined) return;
      deleted = key.stored;
      key.delete();
    },
  };
  carryOut.claim(0);
  for (const [kind, pick] of steps) {
    await carryOut[kind](pick);
    await clock.settle(pick % 4);
    world.look();
  }
  // A deleted position halts its claimants until it is restored.
  if (key.stored.value === undefined && deleted !== undefined) {
    key.restore({ value: deleted.value, revision: key.stored.revision + 1 });
  }
  for (const owner of owners) owner.die();
  const last = new Owner('last', world);
  owners.push(last);
  void last.claim();
  for (let round = 0; round < 100; round++) {
    for (const held of [...key.faults.held]) held.arrive();
    await clock.settle(8);
    await clock.advance(200);
    world.look();
    if (!last.owns) continue;
    last.read(1_000);
    while (last.held.length > 0) last.end(0);
    if (last.writer.isConfirmed(last.writer.ticket()) && last.ledger.lastTaken >= world.last) break;
  }
  if (!last.owns) world.faults.push('the last owner never claims');
  else if (!last.writer.isConfirmed(last.writer.ticket())) world.faults.push('a commit never leaves');
  for (let sequence = 1; sequence <= world.last; sequence++) {
    if (!world.ended.has(sequence)) world.faults.push(`${sequence} is never handled`);
  }
  return world.faults;
}

describe('a position that several owners write', () => {
  test('calls settled only what has ended, and each record follows the one before', async () => {
    await fc.assert(
      fc.asyncProperty(walks, async (steps) => {
        expect(await walk(steps)).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  test.each<SabotagedRule>([
    'no-claim',
    'no-compare',
    'no-placeholders',
    'list-ignored',
    'commit-ahead',
    'settled-again',
  ])('is seen to fail with %s', async (rule) => {
    sabotage.rule = rule;
    const { failed } = await fc.check(
      fc.asyncProperty(walks, async (steps) => (await walk(steps)).length === 0),
      { numRuns: 2_000, endOnFailure: true },
    );
    expect(failed).toBe(true);
  });
});
