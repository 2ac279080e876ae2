import { setTimeout as scheduled } from 'node:timers/promises';
import type { Disturbance } from '../judging/run-history.js';
import { FAULT_DURATIONS, type FaultKind } from './fault-kinds.js';
import { loopFaults } from './harness/fault-loop.js';
import { type PlannedFault, planFault } from './harness/fault-plan.js';
import { nowMs } from './harness/journal.js';
import type { Owners } from './owners.js';
import type { Slot } from './slot.js';

export interface NemesisOptions {
  readonly seed: number;
  readonly partitions: number;
  readonly kinds: readonly FaultKind[];
  readonly replicas: readonly Slot[];
  readonly publishers: readonly Slot[];
  readonly owners: Owners;
}

/** Does what the plan says to processes and proxies, and keeps what it has done. */
export class Nemesis {
  readonly counts = new Map<FaultKind, number>();
  readonly disturbances: Disturbance[] = [];

  constructor(private readonly options: NemesisOptions) {}

  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Faults for so long; resolves when the last one has ended, with everything running. */
  run(ms: number): Promise<void> {
    const { seed, partitions, kinds } = this.options;
    const deck = { partitions, kinds, durations: FAULT_DURATIONS };
    return loopFaults(
      ms,
      (tick) => planFault(seed, tick, deck),
      (fault) => this.#hit(fault),
    );
  }

  async #hit(fault: PlannedFault<FaultKind>): Promise<void> {
    const slot = this.#target(fault);
    const life = slot?.life;
    if (slot === undefined || life === undefined) return;
    const { kind } = fault;
    slot.isBusy = true;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    const disturbance = { kind, process: life.name, from: nowMs(), to: Infinity };
    this.disturbances.push(disturbance);
    await this.#break(slot, fault, () => (disturbance.to = nowMs()));
    slot.isBusy = false;
  }

  async #break(slot: Slot, { kind, ms }: PlannedFault<FaultKind>, ended: () => void): Promise<void> {
    const { proxy } = slot;
    switch (kind) {
      case 'kill':
      case 'stop':
        await (kind === 'kill' ? slot.kill() : slot.stop());
        ended();
        await scheduled(ms);
        return slot.start();
      case 'freeze':
        slot.freeze();
        await scheduled(ms);
        slot.thaw();
        break;
      case 'cut':
      case 'cut-publisher':
        proxy.cut();
        break;
      case 'refuse':
        await proxy.refuse(ms);
        break;
      case 'stall':
      case 'mute':
        proxy.blackhole(kind === 'stall' ? 'both' : 'c2s');
        await scheduled(ms);
        proxy.heal();
        break;
      case 'stall-publisher':
        proxy.blackhole('s2c');
        await scheduled(ms);
        proxy.heal();
        break;
      case 'deafen':
        proxy.blackhole('s2c');
        await scheduled(ms);
        // What the hole holds is lost with the connection.
        proxy.cut();
        proxy.heal();
    }
    ended();
  }

  /** The planned role if that process is free, else any free one. */
  #target({ kind, role, partition }: PlannedFault<FaultKind>): Slot | undefined {
    const { publishers, replicas, owners } = this.options;
    const isFree = (slot: Slot): boolean => !slot.isBusy && slot.isRunning;
    if (kind.endsWith('publisher')) return publishers.filter(isFree)[partition % publishers.length];
    const free = replicas.filter(isFree);
    const owner = owners.of(partition);
    return free.find((slot) => (slot === owner) === (role === 'owner')) ?? free[0];
  }
}
