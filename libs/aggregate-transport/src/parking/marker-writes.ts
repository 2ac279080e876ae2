import { isSabotaged } from '#sabotage';
import { AggregateTransportError, describeError, errorFields } from '../errors.js';
import type { LogAt } from '../log.js';
import type { ParkNote } from '../message/park-reason.js';
import { aggregateIdOf } from '../message/subject.js';
import { editsAfter, identityOf, type Marker } from '../records/marker.js';
import { findTail } from './adoption.js';
import { isAsked, replayedThrough } from './inherited-replay.js';
import type { Parked } from './parked-aggregate.js';
import type { LetterEvent, ParkedPort } from './parked-port.js';

/** The owner of the partition, as far as parking asks. */
export interface ParkingOwner {
  /** Of the lease. */
  readonly epoch: number;
  /** When the topic's stream was made; letters of events of another one say nothing of this one's sequences. */
  readonly created: string;
  /** How often the group had begun again, for an event of the present stream. */
  runOf(sequence: number): number;
  /** False once the partition may belong to another process: nothing is written then. */
  mayWrite(): boolean;
}

export interface MarkerWritesOptions {
  /** For log and error texts: topic, group and partition. */
  readonly name: string;
  readonly port: ParkedPort;
  readonly log: LogAt<'partition'>;
  readonly owner: ParkingOwner;
}

/** Undefined removes a field. */
type MarkerChange = { readonly [K in keyof Marker]?: Marker[K] | undefined };

/**
 * The owner's writes. Each is compare-and-set against what the owner last knew, and checks the lease right before it
 * leaves. So of two processes that think they own a partition one is refused.
 */
export class MarkerWrites {
  /** The last change of each marker, ended or not. */
  readonly #last = new WeakMap<Parked, Promise<void>>();

  constructor(private readonly options: MarkerWritesOptions) {}

  /** @throws LEASE_LOST */
  check(parked?: Parked): void {
    if (!this.options.owner.mayWrite() || parked?.forgotten === true) throw lostError(this.options.name);
  }

  /** Makes the marker of an aggregate. Safe to call again after it rejected. */
  async make(parked: Parked, change: Partial<Marker>): Promise<void> {
    const { port, owner, log, name } = this.options;
    const marker: Marker = { ...parked.marker, ...change };
    for (;;) {
      this.check(parked);
      const revision = await port.writeMarker(parked.token, marker, 0);
      if (revision !== undefined) {
        this.#written(parked, marker, revision);
        parked.identity = revision;
        return;
      }
      const found = await port.readMarker(parked.token);
      if (found === undefined) continue;
      if (found.marker.epoch > owner.epoch) throw lostError(name);
      if (found.marker.epoch === owner.epoch && isSameParking(found.marker, marker)) {
        // Ours: the answer to the write was lost.
        this.#written(parked, found.marker, found.revision);
        parked.identity = identityOf(found);
        return;
      }
      if (isAsked(found.marker)) {
        // A replay that was asked for is begun once the aggregate is parked.
        const asked = { ...marker, made: identityOf(found), command: found.marker.command };
        const taken = await port.writeMarker(parked.token, asked as Marker, found.revision);
        if (taken === undefined) continue;
        this.#written(parked, asked as Marker, taken);
        parked.identity = identityOf(found);
        return;
      }
      const { epoch } = found.marker;
      log.write(
        'marker-late',
        { aggregate: aggregateIdOf(parked.token), epoch },
        `${name}: a marker of epoch ${epoch} came too late and is void`,
      );
      await port.removeMarker(found.revision);
    }
  }

  /**
   * Removes a marker that is unknown here: an owner of an older epoch wrote it after this epoch had begun. Or it is a
   * late copy of one that this owner has removed since. Its letters do not count. `isUnknown` is asked before the
   * removal. True if it is not void: it asks for a replay.
   */
  async removeVoid(token: string, isUnknown: () => boolean): Promise<boolean> {
    const { port, owner, log, name } = this.options;
    const { epoch } = owner;
    const found = await port.readMarker(token);
    if (found === undefined || found.marker.epoch > epoch || !isUnknown()) return false;
    if (isAsked(found.marker)) return true;
    this.check();
    if (await port.removeMarker(found.revision)) {
      const aggregate = aggregateIdOf(token);
      log.write(
        'marker-void',
        { aggregate, epoch: found.marker.epoch },
        `${name}: a marker of aggregate "${aggregate}" (epoch ${found.marker.epoch}) came after the aggregate ` +
          'was live again, or after the lease of its owner had ended; that counts for nothing and is removed',
      );
    }
    return false;
  }

  /** A removal of a void marker was not answered. */
  tellNotRemoved(token: string, error: unknown): void {
    const { log, name } = this.options;
    log.write(
      'marker-not-removed',
      { aggregate: aggregateIdOf(token), ...errorFields(error) },
      `${name}: a void marker could not be removed; it is found again soon: ${describeError(error)}`,
    );
  }

  /**
   * Changes the marker, and takes up a command that was written into it meanwhile. Changes of one marker are written
   * one after the other: two at once would each miss what the other one says.
   */
  update(parked: Parked, wanted: MarkerChange): Promise<void> {
    const before = this.#last.get(parked) ?? Promise.resolve();
    const written = before.then(() => this.#update(parked, wanted));
    this.#last.set(
      parked,
      written.catch(() => undefined),
    );
    return written;
  }

  async #update(parked: Parked, wanted: MarkerChange): Promise<void> {
    const { port, owner, name } = this.options;
    for (let change = wanted; ;) {
      this.check(parked);
      const marker = { ...parked.marker, ...change, made: parked.identity, epoch: owner.epoch } as Marker;
      const revision = await port.writeMarker(parked.token, marker, parked.revision);
      if (revision !== undefined) {
        this.#written(parked, marker, revision);
        return;
      }
      const found = await port.readMarker(parked.token);
      if (found !== undefined && found.marker.epoch > owner.epoch) throw lostError(name);
      // A command came in between, an edit did, or the answer to our own write was lost.
      parked.revision = found?.revision ?? 0;
      change = withWishes(change, found?.marker, parked);
    }
  }

  /**
   * Stores events of the aggregate after its last letter, unless they are there already. When it resolves, at least the
   * first one is there; `parked.lastSequence` tells which.
   */
  async append(parked: Parked, events: readonly LetterEvent[], note?: ParkNote): Promise<void> {
    const { port, name, owner } = this.options;
    for (;;) {
      const missing = this.#missing(parked, events);
      const [first] = missing;
      if (first === undefined) return;
      this.check(parked);
      const stream = owner.created;
      const run = owner.runOf(first.sequence);
      const about = { ...note, marker: parked.identity, stream, run };
      const result = await port.append(missing, about, parked.tail);
      if (result.kind === 'refused') throw refusedError(name, result.reason);
      if (result.kind === 'stored') {
        parked.tail = result.position;
        parked.lastSequence = missing[result.count - 1]?.sequence ?? parked.lastSequence;
        return;
      }
      const { tail, lastSequence } = await findTail(port, parked, owner.created);
      Object.assign(parked, {
        tail,
        lastSequence: Math.max(lastSequence, replayedThrough(parked, owner.created)),
      });
    }
  }

  /** Those that are no letters yet: one write takes letters of one run. */
  #missing(parked: Parked, events: readonly LetterEvent[]): readonly LetterEvent[] {
    const { owner } = this.options;
    const missing = events.filter(({ sequence }) => sequence > parked.lastSequence);
    const run = owner.runOf(missing[0]?.sequence ?? 0);
    const other = missing.findIndex(({ sequence }) => owner.runOf(sequence) !== run);
    return other < 0 ? missing : missing.slice(0, other);
  }

  #written(parked: Parked, marker: Marker, revision: number): void {
    parked.marker = marker;
    parked.revision = revision;
  }
}

/** The change, with what an operator has written into the marker meanwhile. Pure. */
function withWishes(change: MarkerChange, found: Marker | undefined, { marker }: Parked): MarkerChange {
  // One that was deleted by hand is written again as it was known.
  const { command, edits } = found ?? { edits: marker.edits };
  const replayed = change.replayed ?? marker.replayed ?? 0;
  // A letter is edited before its replay begins: later edits are refused by the state.
  const taken = isSabotaged('edits-not-taken-up') ? {} : { edits: editsAfter(edits, replayed) };
  const isOpen = command !== undefined && command.id !== change.answer?.id;
  return { ...change, ...taken, ...(isOpen ? { command } : {}) };
}

/** An owner may park an aggregate again, and a copy of its first marker may arrive only then. */
function isSameParking(found: Marker, { since, sequence }: Marker): boolean {
  return found.since === since && found.sequence === sequence;
}

/** The partition belongs to another process, or may. */
export function lostError(name: string): AggregateTransportError {
  return new AggregateTransportError(
    'LEASE_LOST',
    `expected ${name} to be ours, found that its lease has ended`,
  );
}

/** The server does not take a letter. */
export function refusedError(name: string, reason: string): AggregateTransportError {
  return new AggregateTransportError(
    'PARK_REFUSED',
    `expected the parked stream to take a letter of ${name}, found: ${reason}; the aggregate waits: ` +
      'make room (retry, skip or discard parked aggregates), or raise the limit that this names',
  );
}
