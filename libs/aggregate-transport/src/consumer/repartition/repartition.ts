import { reached } from '#sabotage';
import { AggregateTransportError } from '../../errors.js';
import {
  beginChange,
  cancelChange,
  completeChange,
  forgetFormer,
  type GroupLayout,
  type LayoutChange,
} from '../../records/group-record.js';
import type { KeyPort, StoredValue } from '../../records/key-port.js';
import { readPosition } from '../../records/position-record.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import { UNMADE } from '../layout-marks.js';
import { planLayout } from './initial-positions.js';
import type { SuspectRecord } from '../handling/suspects.js';

type Key<T> = Pick<KeyPort<T>, 'read' | 'write'>;

/** A group's ways to what a change of its layout reads and writes. */
export interface RepartitionPorts {
  readonly layout: Key<GroupLayout>;
  lease(partitions: number, partition: number): Key<LeaseRecord>;
  suspects(partitions: number, partition: number): Key<SuspectRecord>;
  /**
   * The first event of a partition behind a sequence; if there is none, a sequence behind which its next one will lie.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  firstBehind(partitions: number, partition: number, sequence: number): Promise<number>;
  /** When the topic's stream was made. */
  streamCreated(): Promise<string>;
  /** Removes a consumer, if there is one. */
  removeConsumer(partitions: number, partition: number, generation: number): Promise<void>;
}

/** How far a change has come. */
export type ChangeProgress =
  /** None is under way. */
  | { readonly kind: 'none'; readonly layout: GroupLayout }
  /** Partitions of the layout in force, drained or not. */
  | {
      readonly kind: 'draining';
      readonly layout: GroupLayout;
      readonly change: LayoutChange;
      readonly leases: readonly (StoredValue<LeaseRecord> | undefined)[];
    };

const AT_ONCE = 32;

/**
 * Changes the number of partitions of a group. Every step may be taken by any process, any number of times, beside
 * others that take it too; decision 7 tells the steps and what each prevents. It remembers nothing from one call to the
 * next.
 */
export class Repartition {
  constructor(
    private readonly name: string,
    private readonly ports: RepartitionPorts,
  ) {}

  /** @throws GROUP_UNKNOWN, JETSTREAM_REQUEST_FAILED */
  async layout(): Promise<GroupLayout> {
    return (await this.#read()).value;
  }

  /**
   * Why no change may begin yet: partitions that still meet events which the layout before had settled. Nothing but
   * their own leases says what those are until they are through.
   */
  async notReady(): Promise<number[]> {
    const { partitions } = await this.layout();
    const leases = await this.#leases(partitions);
    return leases.flatMap((lease, partition) => (lease?.value.origin === undefined ? [] : [partition]));
  }

  /**
   * Begins a change, unless the very same one is under way, or complete. Resolves with false if somebody else changed the record
   * meanwhile, or partitions are {@link notReady}: try again.
   * @throws CHANGE_UNDER_WAY if another change is
   */
  async begin(to: number): Promise<boolean> {
    await this.removeFormer();
    // In this order: once gone, what makes a partition not ready never comes back within a layout.
    const { value, revision } = await this.#read();
    if (value.change?.to === to) return true;
    // Whoever asked did not know yet. Another layout of the same number would write over the leases it is drained from.
    if (value.change === undefined && value.partitions === to) return true;
    if (value.change !== undefined) {
      throw new AggregateTransportError(
        'CHANGE_UNDER_WAY',
        `expected no change of ${this.name} under way, found one to ${value.change.to} partitions; ` +
          'finish it by the same command, or call it off with --cancel',
      );
    }
    if (value.former !== undefined || (await this.notReady()).length > 0) return false;
    const begun = await this.ports.layout.write(beginChange(value, to), revision);
    if (begun !== undefined) reached('repartition: begun');
    return begun !== undefined;
  }

  /** Calls a change off. Resolves with false if none is under way: there was none, or it is complete. */
  async cancel(): Promise<boolean> {
    for (;;) {
      const { value, revision } = await this.#read();
      if (value.change === undefined) return false;
      if ((await this.ports.layout.write(cancelChange(value), revision)) !== undefined) {
        reached('repartition: cancelled');
        return true;
      }
    }
  }

  /**
   * Takes all steps of a change that can be taken now, and tells how far it is.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async advance(): Promise<ChangeProgress> {
    const { value: layout, revision } = await this.#read();
    const { change, partitions } = layout;
    if (change === undefined) return { kind: 'none', layout: await this.removeFormer() };
    const leases = await this.#leases(partitions);
    const drained = leases.flatMap((lease) =>
      lease?.value.drained?.change === change.number ? [lease.value] : [],
    );
    if (drained.length < partitions) return { kind: 'draining', layout, change, leases };
    await this.#prepare(change, drained);
    if ((await this.ports.layout.write(completeChange(layout, change), revision)) !== undefined)
      reached('repartition: switched');
    return { kind: 'none', layout: await this.removeFormer() };
  }

  /** Removes the consumers that the layout before has left. Their names are never used again, so doing it late or twice hits nobody. */
  async removeFormer(): Promise<GroupLayout> {
    const { value: layout, revision } = await this.#read();
    const { former } = layout;
    if (former === undefined) return layout;
    const leases = await this.#leases(former);
    await each(leases, async (lease, partition) => {
      // Rewritten by a later change: then this one's consumers were removed before.
      if (lease?.value.drained?.change !== layout.layout) return;
      const { generation, retired } = lease.value;
      for (const old of [generation, ...retired]) await this.ports.removeConsumer(former, partition, old);
      reached('repartition: consumers removed');
    });
    const rest = forgetFormer(layout);
    if ((await this.ports.layout.write(rest, revision)) === undefined) return this.layout();
    reached('repartition: complete');
    return rest;
  }

  /** Writes the leases of the new layout, and what their sources suspected. Leases of this change or a later one stay. */
  async #prepare(change: LayoutChange, drained: readonly LeaseRecord[]): Promise<void> {
    const { ports } = this;
    const from = drained.length;
    const streamCreated = await ports.streamCreated();
    const positions = await each(drained, async (lease, partition) => {
      const { delivered, unsettled } = readPosition(lease.drained ?? { delivered: 0, unsettled: '' });
      const firstUnsettled = unsettled[0] ?? (await ports.firstBehind(from, partition, delivered));
      return { lease, firstUnsettled };
    });
    const suspects = await this.#suspects(from);
    const planned = planLayout({ change, drained: positions, streamCreated });
    await each(planned, async (lease, partition) => {
      const [key, suspectKey] = [ports.lease(change.to, partition), ports.suspects(change.to, partition)];
      // In this order: what an owner has written since the look at the lease refuses the write.
      const suspected = await suspectKey.read();
      const found = await key.read();
      if ((found?.value.layout ?? -1) >= change.number) return;
      await suspectKey.write(suspects, suspected?.revision ?? 0);
      // Refused: somebody else has prepared it.
      await key.write(lease, found?.revision ?? 0);
      reached('repartition: lease prepared');
    });
  }

  /** Events that were started by owners that died. Those of other partitions are among them; they mean nothing there. */
  async #suspects(partitions: number): Promise<SuspectRecord> {
    const records = await each(Array.from({ length: partitions }), (_, partition) =>
      this.ports.suspects(partitions, partition).read(),
    );
    return Object.assign({}, ...records.map((record) => record?.value ?? {})) as SuspectRecord;
  }

  #leases(partitions: number): Promise<(StoredValue<LeaseRecord> | undefined)[]> {
    return each(Array.from({ length: partitions }), (_, partition) =>
      this.ports.lease(partitions, partition).read(),
    );
  }

  async #read(): Promise<StoredValue<GroupLayout>> {
    const found = await this.ports.layout.read();
    if (found !== undefined) return found;
    throw new AggregateTransportError(
      'GROUP_UNKNOWN',
      `expected ${this.name} to have started before, found no record of it; ` +
        'check the names, or set consume.partitions before its first start',
    );
  }
}

/** Partitions of a layout that nobody has owned yet. */
export function isUnowned(lease: LeaseRecord | undefined): boolean {
  return lease === undefined || lease.generation === UNMADE;
}

/** Some at once, in order of index. */
async function each<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE) {
    const batch = items.slice(from, from + AT_ONCE);
    results.push(...(await Promise.all(batch.map((item, index) => work(item, from + index)))));
  }
  return results;
}
