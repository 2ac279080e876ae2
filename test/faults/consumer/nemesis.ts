import { setTimeout as scheduled } from 'node:timers/promises';
import { connect } from 'nats';
import type { NatsServer } from 'nestjs-aggregate-transport/testing';
import { loopFaults } from '../harness/fault-loop.js';
import type { Fleet, Slot } from './fleet.js';
import type { Journal, ParentLine } from '../harness/journal.js';
import type { Load } from './load.js';
import { type FaultKind, type PlannedFault, planFault } from './nemesis-plan.js';
import type { SteppingDown, Tap } from './tap.js';

export interface NemesisOptions {
  readonly seed: number;
  readonly partitions: number;
  /** What the deck holds. */
  readonly kinds: readonly FaultKind[];
  readonly servers: readonly NatsServer[];
  readonly fleet: Fleet;
  readonly load: Load;
  readonly tap: Tap;
  readonly journal: Journal<ParentLine>;
}

const BLOCK_BEFORE_DEAF_MS = 800;
const STEPS_DOWN = {
  'stepdown-topic': ['topic'],
  'stepdown-positions': ['positions'],
  'stepdown-leases': ['leases'],
  'stepdown-all': ['topic', 'positions', 'leases'],
} as const satisfies Record<string, readonly SteppingDown[]>;
const CUTS_OF_STORM = 4;
const BURST = 400;
/** A dead process is followed by its successor's readers at about this pace. */
const LAG_CUTS = 8;
const LAG_CUT_EVERY_MS = 130;
/** From the arrival of what was held to the death of its sender. */
const LATE_KILL_MS = 40;
const KILL_BEHIND_SERVER_MS = 400;
const HANG_IN_ROLL_MS = 1_600;
/** Longer than the lease, its loss and the next takeover. */
const HANG_IN_LAPSE_MS = 4_000;

/** Does what the plan says, counts it and writes it down. */
export class Nemesis {
  readonly counts = new Map<FaultKind, number>();
  #serverBusy = false;
  #now: FaultKind = 'quiet';

  constructor(private readonly options: NemesisOptions) {}

  get total(): number {
    let total = 0;
    for (const [kind, count] of this.counts) if (kind !== 'quiet') total += count;
    return total;
  }

  /** The kind of the last fault. */
  get now(): FaultKind {
    return this.#now;
  }

  /** Faults for so long; resolves when the last one has ended. */
  async run(ms: number): Promise<void> {
    await loopFaults(
      ms,
      (tick) => planFault(this.options.seed, tick, this.options),
      (fault) => {
        this.#now = fault.kind;
        return this.#do(fault);
      },
    );
  }

  async #do(fault: PlannedFault): Promise<void> {
    const { load, tap, journal } = this.options;
    const { kind, ms } = fault;
    switch (kind) {
      case 'kill':
      case 'late-kill':
      case 'roll':
      case 'roll-hanging':
      case 'leave':
      case 'freeze':
      case 'cut':
      case 'cut-storm':
      case 'lost-answers':
      case 'refused':
      case 'hang-lapse':
      case 'lag':
      case 'deaf':
      case 'blackhole-c2s':
      case 'blackhole-s2c':
      case 'blackhole-both':
        return this.#hit(fault, (slot) => this.#break(slot, fault));
      case 'block':
      case 'hang':
        // The fault begins when a handler meets the event; the worker writes that down.
        this.#count(kind);
        load.request(kind === 'block' ? { blockMs: ms } : { hangMs: ms });
        return;
      case 'cut-publisher':
        this.#count(kind);
        journal.write({ what: 'fault', kind, on: true });
        load.proxy.cut();
        return;
      case 'deaf-publisher':
        this.#count(kind);
        journal.write({ what: 'fault', kind, on: true });
        load.proxy.blackhole('s2c');
        await scheduled(ms);
        load.proxy.heal();
        journal.write({ what: 'fault', kind, on: false });
        return;
      case 'burst-cut':
        return this.#cutBurst(ms);
      case 'lagging-replica':
        return this.#lagReplica(ms);
      case 'server-freeze':
        return this.#freezeServer(ms);
      case 'rolling':
        this.#count(kind);
        return this.#rollAll();
      case 'server-kill':
        return this.#killServer(ms);
      case 'stepdown-topic':
      case 'stepdown-positions':
      case 'stepdown-leases':
      case 'stepdown-all':
        this.#count(kind);
        journal.write({ what: 'fault', kind, on: true });
        for (const what of STEPS_DOWN[kind]) tap.stepDown(what);
        return;
      case 'stepdown-meta':
        this.#count(kind);
        journal.write({ what: 'fault', kind, on: true });
        // With the server away it has no leader to lose.
        return tap.stepDownMeta().catch(() => undefined);
      case 'double-kill':
        this.#count(kind);
        await this.#killServer(0);
        // The owner is back on the server, with its new reader just opened.
        await scheduled(KILL_BEHIND_SERVER_MS);
        return this.#hit({ ...fault, kind: 'kill', role: 'owner' }, (slot) =>
          this.#break(slot, { ...fault, kind: 'kill' }),
        );
      case 'readers-deleted':
        this.#count(kind);
        journal.write({ what: 'fault', kind, on: true });
        // With the server away there is nothing to break.
        return tap.deleteReaders().catch(() => undefined);
      case 'foreign-pull':
        this.#count(kind);
        journal.write({ what: 'fault', kind, on: true });
        // With the server away there is nothing to break.
        return tap.pullAsStranger().catch(() => undefined);
      case 'quiet':
        this.#count(kind);
        await scheduled(ms);
    }
  }

  async #hit(fault: PlannedFault, action: (slot: Slot) => Promise<void>): Promise<void> {
    const { journal } = this.options;
    const slot = this.#target(fault);
    if (slot === undefined) return;
    slot.busy = true;
    const { kind } = fault;
    this.#count(kind);
    const note = `${fault.role} of ${fault.partition}, ${fault.ms} ms`;
    journal.write({ what: 'fault', kind, on: true, slot: slot.index, note });
    await action(slot);
    journal.write({ what: 'fault', kind, on: false, slot: slot.index });
    slot.busy = false;
  }

  async #break(slot: Slot, { kind, ms }: PlannedFault): Promise<void> {
    if (kind === 'cut') {
      slot.proxy.cut();
    } else if (kind === 'cut-storm') {
      for (let cut = 0; cut < CUTS_OF_STORM; cut++) {
        slot.proxy.cut();
        await scheduled(ms);
      }
    } else if (kind === 'refused') {
      await slot.proxy.refuse(ms);
    } else if (kind === 'lost-answers') {
      slot.proxy.blackhole('s2c');
      await scheduled(ms);
      // What the hole holds is lost with the connection.
      slot.proxy.cut();
      slot.proxy.heal();
    } else if (kind === 'late-kill') {
      slot.proxy.blackhole('c2s');
      await scheduled(ms);
      slot.proxy.heal();
      await scheduled(LATE_KILL_MS);
      await slot.kill();
      await slot.spawn();
    } else if (kind === 'kill' || kind === 'leave' || kind.startsWith('roll')) {
      if (kind === 'roll-hanging') {
        // Shorter than a drain, so that the process must wait for its handler before it lets go.
        this.options.load.request({ hangMs: HANG_IN_ROLL_MS });
        await scheduled(HANG_IN_ROLL_MS / 4);
      }
      await (kind === 'kill' ? slot.kill() : slot.stop());
      await scheduled(ms);
      await slot.spawn();
    } else if (kind === 'freeze') {
      slot.freeze();
      await scheduled(ms);
      slot.thaw();
    } else if (kind === 'deaf') {
      await this.#deafen(slot, ms);
    } else {
      if (kind === 'hang-lapse') {
        this.options.load.request({ hangMs: HANG_IN_LAPSE_MS });
        await scheduled(HANG_IN_LAPSE_MS / 8);
      }
      slot.proxy.blackhole(
        kind === 'blackhole-c2s' || kind === 'lag' ? 'c2s' : kind === 'blackhole-s2c' ? 's2c' : 'both',
      );
      await scheduled(ms);
      slot.proxy.heal();
    }
  }

  /** As a deployment does it: the next one goes when the one before is back. */
  async #rollAll(): Promise<void> {
    for (const slot of this.options.fleet.slots) {
      if (slot.busy || !slot.running) continue;
      slot.busy = true;
      await slot.stop();
      await slot.spawn();
      slot.busy = false;
    }
  }

  /** While the event loop is blocked events pile up; the process handles them when it cannot hear any more. */
  async #deafen(slot: Slot, ms: number): Promise<void> {
    const { load, journal } = this.options;
    load.request({ blockMs: BLOCK_BEFORE_DEAF_MS });
    await scheduled(BLOCK_BEFORE_DEAF_MS / 2);
    journal.write({ what: 'fault', kind: 'blackhole-s2c', on: true, slot: slot.index });
    slot.proxy.blackhole('s2c');
    await scheduled(ms);
    slot.proxy.heal();
    journal.write({ what: 'fault', kind: 'blackhole-s2c', on: false, slot: slot.index });
  }

  /** Many events of one aggregate are on their way when every process loses its connection. */
  async #cutBurst(ms: number): Promise<void> {
    const { load, fleet, journal } = this.options;
    this.#count('burst-cut');
    for (let event = 0; event < BURST; event++) load.publish('key-0');
    await scheduled(ms);
    journal.write({ what: 'fault', kind: 'burst-cut', on: true });
    for (const slot of fleet.slots) if (!slot.busy) slot.proxy.cut();
    journal.write({ what: 'fault', kind: 'burst-cut', on: false });
  }

  /** One replica of the topic sleeps while events are stored; when it wakes, readers are made one after the other. */
  async #lagReplica(ms: number): Promise<void> {
    if (this.#serverBusy) return;
    const { tap, load, fleet, servers } = this.options;
    const leader = await tap.leaderOf('topic');
    const own = tap.nats.info?.server_name;
    const names = await Promise.all(servers.map(nameOf));
    const follower = servers.find((_, index) => names[index] !== leader && names[index] !== own);
    if (follower === undefined || leader === undefined) return;
    this.#serverBusy = true;
    this.#count('lagging-replica');
    this.#note('lagging-replica', true);
    await follower.freeze();
    for (let event = 0; event < 4 * BURST; event++) load.publish(`key-${event % 8}`);
    await scheduled(ms);
    follower.resume();
    this.#note('lagging-replica', false);
    for (let cut = 0; cut < LAG_CUTS; cut++) {
      for (const slot of fleet.slots) if (!slot.busy) slot.proxy.cut();
      await scheduled(LAG_CUT_EVERY_MS);
    }
    this.#serverBusy = false;
  }

  async #freezeServer(ms: number): Promise<void> {
    if (this.#serverBusy) return;
    this.#serverBusy = true;
    const { servers } = this.options;
    const server = servers[this.total % servers.length]!;
    this.#count('server-freeze');
    this.#note('server-freeze', true);
    await server.freeze();
    await scheduled(ms);
    server.resume();
    this.#note('server-freeze', false);
    this.#serverBusy = false;
  }

  #note(kind: FaultKind, on: boolean): void {
    this.options.journal.write({ what: 'fault', kind, on });
  }

  async #killServer(downMs: number): Promise<void> {
    if (this.#serverBusy) return;
    this.#serverBusy = true;
    const { servers, journal } = this.options;
    const server = servers[this.total % servers.length]!;
    this.#count('server-kill');
    journal.write({ what: 'fault', kind: 'server-kill', on: true, note: `${downMs} ms` });
    await server.kill();
    await scheduled(downMs);
    await server.start();
    journal.write({ what: 'fault', kind: 'server-kill', on: false });
    this.#serverBusy = false;
  }

  /** The planned role if that slot is free, else any free one. */
  #target({ role, partition }: PlannedFault): Slot | undefined {
    const { fleet } = this.options;
    const owner = fleet.ownerOf(partition);
    const free = fleet.slots.filter((slot) => !slot.busy && slot.running);
    const wanted = free.filter((slot) => (slot === owner) === (role === 'owner'));
    return wanted[0] ?? free[0];
  }

  #count(kind: FaultKind): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }
}

/** What a server calls itself among the others. */
async function nameOf({ url }: NatsServer): Promise<string | undefined> {
  const nats = await connect({ servers: url });
  const name = nats.info?.server_name;
  await nats.close();
  return name;
}
