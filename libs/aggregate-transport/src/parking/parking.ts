import { isSabotaged, reached } from '#sabotage';
import { type Clock, every, type Timer } from '../clock.js';
import { inParallel } from '../in-parallel.js';
import type { ParkNote } from '../message/park-reason.js';
import { aggregateIdOf } from '../message/subject.js';
import type { GroupStart } from '../records/group-record.js';
import { type Letter, shorten } from '../records/letter.js';
import { type CommandKind, identityOf, type Marker } from '../records/marker.js';
import { adopt, LEAST_CRASHES } from './adoption.js';
import type { HistoryPort } from './history-queue.js';
import { isAsked } from './inherited-replay.js';
import { LetterEdits } from './letter-edits.js';
import { LetterQueues } from './letter-queues.js';
import { LostMarkers } from './lost-markers.js';
import { lostError, MarkerWrites, type MarkerWritesOptions, refusedError } from './marker-writes.js';
import { isToReplay, type Parked, unmarked } from './parked-aggregate.js';
import type { LetterEvent } from './parked-port.js';
import { Replays } from './replays.js';

/** Hears what becomes of parked aggregates. */
export interface ParkingListener {
  /** An operator asks for something, of a parked aggregate, or of one that is to be replayed. */
  commanded(aggregate: Pick<Parked, 'token'>): void;
  /** No letter is left: the aggregate is live again. */
  unparked(parked: Parked): void;
  /** Owners that may die while they replay an aggregate's letters, from this one on; then it stays parked. */
  crashesAllowed(first: Letter): number;
}

/** What a tenure inherits. */
export interface ParkingInheritance {
  /** The last owner ended without a last commit. */
  readonly hasDied: boolean;
  readonly start: GroupStart;
}

export interface ParkingOptions extends MarkerWritesOptions {
  readonly clock: Clock;
  readonly history: HistoryPort;
}

/**
 * What the owner of a partition knows of its parked aggregates, and the writes that make it so. Markers are read after
 * the claim and before the first event is taken in. From then on this memory is the truth, and what others write is
 * commands.
 *
 * How an aggregate is parked, and why each step may be the last one of its process:
 * 1. The marker is made by compare-and-set. An owner that dies here leaves an unsettled event. Its successor removes
 *    the marker, and the event comes again.
 * 2. The event is stored as a letter, after the last letter that is known. Of two owners only one succeeds. A letter
 *    of the same marker says the same, no matter which owner wrote it.
 * 3. The event is settled. An owner that dies before that is confirmed leaves the last letter's sequence. The
 *    successor settles the event without another letter.
 *
 * An owner that slept through the end of its lease makes no letter, because it checks its lease before each write. If
 * it fell asleep right after that check, its marker is of an older epoch. The successor adopts that marker; if it finds
 * it only later, the marker is void.
 */
export class Parking {
  readonly #parked = new Map<string, Parked>();
  readonly #writes: MarkerWrites;
  readonly #lost: LostMarkers;
  /** The letters of aggregates that are replayed, or were. */
  readonly letters: LetterQueues;
  readonly replays: Replays;
  /** What is handled in place of letters that an operator edited. */
  readonly edits: LetterEdits;
  readonly #watch: Timer;
  #listener: ParkingListener | undefined;
  #isTruth = false;
  /** The reading of the markers that counts, and the aggregates whose markers were written meanwhile. */
  #loading: Set<string> | undefined;

  constructor(private readonly options: ParkingOptions) {
    this.#writes = new MarkerWrites(options);
    this.#lost = new LostMarkers(options, this.#writes);
    this.edits = new LetterEdits(options);
    this.letters = new LetterQueues(options, this.#writes, this.#parked);
    this.replays = new Replays(options, this.#writes);
    options.port.onMarker((token, marker) => this.#heard(token, marker));
    this.#watch = every(options.clock, LIST_EVERY_MS, () => void this.#list());
  }

  /** Tells this listener. Called once, before the first tenure. */
  attach(listener: ParkingListener): void {
    this.#listener = listener;
  }

  /** The highest event of the topic's stream, as it is now, that a letter is known to hold; 0 for none. */
  get lastSequence(): number {
    let last = 0;
    for (const { lastSequence } of this.#parked.values()) last = Math.max(last, lastSequence);
    return last;
  }

  /** True if events of this aggregate become letters. */
  isParked(token: string): boolean {
    return this.#parked.size > 0 && this.#parked.get(token)?.leaving === false;
  }

  /** Aggregates that are parked, diverted, or about to be. */
  get size(): number {
    return this.#parked.size;
  }

  find(token: string): Parked | undefined {
    return this.#parked.get(token);
  }

  /** Aggregates whose letters, or history, the owner replays by itself, or was told to. */
  toReplay(): string[] {
    const parked = [...this.#parked.values()].filter(({ marker }) => isToReplay(marker));
    return [...parked.map(({ token }) => token), ...this.replays.asked];
  }

  /** Another lease: what was known may be out of date. */
  forget(): void {
    for (const parked of this.#parked.values()) parked.forgotten = true;
    this.letters.close();
    this.replays.forget();
    this.#parked.clear();
    this.#isTruth = false;
    this.#loading = undefined;
  }

  /**
   * Reads what earlier owners left. A marker of an older epoch that appears later came too late. Safe to call again
   * after it rejected.
   * @throws JETSTREAM_REQUEST_FAILED, LEASE_LOST
   */
  async load({ hasDied, start }: ParkingInheritance): Promise<void> {
    if (isSabotaged('markers-not-loaded')) {
      this.#isTruth = true;
      return;
    }
    const loading = new Set<string>();
    this.#loading = loading;
    this.#isTruth = false;
    const check = (): void => {
      this.#writes.check();
      if (this.#loading !== loading) throw lostError(this.options.name);
    };
    const markers = await this.options.port.markers();
    check();
    this.#parked.clear();
    const { epoch, created } = this.options.owner;
    const crashesAllowed = (first: Letter): number => this.#listener?.crashesAllowed(first) ?? LEAST_CRASHES;
    const inheritance = { ...this.options, epoch, created, start, hasDied, crashesAllowed, check };
    await inParallel(markers, ADOPTED_AT_ONCE, async (found) => {
      const adopted = await adopt(found, inheritance);
      check();
      if (adopted === undefined) this.#logUnparked(found.token, 'no letter of it was left');
      else if (adopted.marker.state === 'asked') this.replays.ask(adopted.token);
      else this.#parked.set(adopted.token, adopted);
    });
    this.#isTruth = true;
    for (const token of loading) if (!this.#parked.has(token)) this.#removeVoid(token);
    this.#lost.begin();
    void this.#lost.report((token) => this.#parked.has(token));
  }

  /** The aggregate is to be replayed, and its marker is this owner's: from now on its events become letters. */
  take(parked: Parked): void {
    this.#parked.set(parked.token, parked);
  }

  /** From now on the aggregate's events become letters; {@link park} or {@link divert} makes it so for others. */
  begin(token: string): void {
    if (this.#parked.get(token)?.leaving === false) return;
    const { owner, clock } = this.options;
    this.#parked.set(token, unmarked(token, owner.epoch, clock.wallNow()));
  }

  /**
   * Parks the aggregate with this event as its first letter, or keeps a diverted one parked. When it resolves
   * the event may be settled. Safe to call again after it rejected.
   * @throws PARK_REFUSED, JETSTREAM_REQUEST_FAILED, LEASE_LOST
   */
  async park(event: LetterEvent, note: ParkNote): Promise<void> {
    const parked = this.#require(event.token);
    const marker = { ...note, error: shorten(note.error), sequence: event.sequence };
    if (parked.revision === 0) await this.#writes.make(parked, { ...marker, state: 'parking' });
    reached('park: marker written');
    await this.#writes.append(parked, [event], note);
    reached('park: letter stored');
    await this.#writes.update(parked, { ...marker, state: 'parked', crashes: 0 });
    reached('park: marker says parked');
    if (parked.marker.command !== undefined) this.#listener?.commanded(parked);
  }

  /**
   * As {@link park}, but its owner replays the letters as soon as its head has settled. The head becomes the first
   * letter while it is `open`: should it be parked in the end, it stands where it belongs.
   */
  async divert(head: LetterEvent, note: ParkNote, open: () => boolean): Promise<void> {
    const parked = this.#require(head.token);
    if (parked.revision === 0)
      await this.#writes.make(parked, { ...note, sequence: head.sequence, state: 'diverted' });
    reached('divert: marker written');
    if (open()) await this.#writes.append(parked, [head], note);
    reached('divert: head stored');
  }

  /**
   * Stores later events of a parked aggregate after its letters, as many of them as one write takes. Events that are
   * there already are not stored again. Resolves with how many were stored. `Parked.lastSequence` tells the last one.
   */
  async file(token: string, events: readonly LetterEvent[]): Promise<number> {
    const parked = this.#require(token);
    const missing = events.filter(({ sequence }) => sequence > parked.lastSequence);
    await this.#writes.append(parked, missing);
    reached('file: letter stored');
    return missing.filter(({ sequence }) => sequence <= parked.lastSequence).length;
  }

  /** Stores an event that its aggregate continues without. */
  async skip(event: LetterEvent, note: ParkNote): Promise<void> {
    this.#writes.check();
    const result = await this.options.port.appendSkipped(event, {
      ...note,
      stream: this.options.owner.created,
    });
    if (result.kind === 'refused') throw refusedError(this.options.name, result.reason);
    reached('skip: letter stored');
  }

  /** A command is begun: the next owner continues it, until it is answered. */
  async begun(parked: Parked, kind: CommandKind): Promise<void> {
    if (kind !== 'retry' || parked.marker.state === 'retrying') return;
    await this.#writes.update(parked, { state: 'retrying' });
    reached('retry: begun');
  }

  /** The aggregate stays parked; `error` tells why its letters cannot be handled yet. */
  async stay(parked: Parked, failed: (ParkNote & { sequence: number }) | undefined): Promise<void> {
    await this.letters.removed(parked);
    this.letters.of(parked).rest();
    const note = failed && { ...failed, error: shorten(failed.error) };
    const id = parked.marker.command?.id;
    const answer =
      id === undefined ? {} : { answer: { id, ...(note === undefined ? {} : { error: note.error }) } };
    await this.#writes.update(parked, {
      ...note,
      ...answer,
      state: 'parked',
      command: undefined,
      crashes: 0,
    });
    reached('retry: stopped');
  }

  /** No letter is left, and none comes: from this moment events go to the lane again, after the caller. */
  leave(parked: Parked): void {
    parked.leaving = true;
  }

  /** Removes the marker of an aggregate that {@link leave leaves}. Safe to call again after it rejected. */
  async unpark(parked: Parked): Promise<void> {
    const { port, name } = this.options;
    await this.letters.removed(parked);
    for (let revision = parked.revision; ;) {
      this.#writes.check(parked);
      reached('unpark: no letter left');
      if (revision === 0 || (await port.removeMarker(revision))) break;
      const found = await port.readMarker(parked.token);
      if (found === undefined) break;
      if (found.marker.epoch > this.options.owner.epoch) throw lostError(name);
      // The answer to a removal was lost, and an operator asks for a replay since.
      if (isAsked(found.marker) && identityOf(found) !== parked.identity) break;
      revision = found.revision;
    }
    reached('unpark: marker removed');
    if (this.#parked.get(parked.token) === parked) this.#parked.delete(parked.token);
    this.#logUnparked(parked.token, 'all its letters are handled or dropped');
    this.#listener?.unparked(parked);
    if (this.replays.wasAskedSince(parked.token)) this.#removeVoid(parked.token);
  }

  close(): void {
    this.letters.close();
    this.#watch.cancel();
    this.options.port.close();
  }

  #heard(token: string, marker: Marker): void {
    if (marker.epoch > this.options.owner.epoch) return;
    if (!this.#isTruth) {
      this.#loading?.add(token);
      return;
    }
    const parked = this.#parked.get(token);
    if (parked !== undefined) this.#noteCommand(parked, marker);
    else if (this.options.owner.mayWrite()) this.#removeVoid(token);
  }

  /** Finds commands and void markers whose announcement was missed, and markers that were deleted. */
  async #list(): Promise<void> {
    const isOurs = (): boolean => this.#isTruth && this.options.owner.mayWrite();
    if (!isOurs()) return;
    const markers = await this.options.port.markers().catch(() => undefined);
    for (const { token, marker } of markers ?? []) this.#heard(token, marker);
    if (markers === undefined || !isOurs()) return;
    await this.#lost.restore([...this.#parked.values()], new Set(markers.map(({ token }) => token)));
    if (isOurs()) await this.#lost.report((token) => this.#parked.has(token));
  }

  /**
   * Announcements include refused writes, such as a command for a marker that was removed or already answered. Those
   * are ignored.
   */
  #noteCommand(parked: Parked, { made, command, state }: Marker): void {
    // One that an operator made after this one was removed, before the owner knew that it was.
    if (state === 'asked' && made !== parked.identity) this.replays.askLater(parked.token);
    if (command === undefined || made !== parked.identity || command.id === parked.marker.answer?.id) return;
    parked.marker = { ...parked.marker, command };
    this.#listener?.commanded(parked);
  }

  #removeVoid(token: string): void {
    const isUnknown = (): boolean => this.#isTruth && !this.#parked.has(token);
    this.#writes
      .removeVoid(token, isUnknown)
      .then((asks) => {
        if (!asks || !isUnknown()) return;
        this.replays.ask(token);
        this.#listener?.commanded({ token });
      })
      .catch((error: unknown) => this.#writes.tellNotRemoved(token, error));
  }

  #require(token: string): Parked {
    const parked = this.#parked.get(token);
    if (parked === undefined) throw lostError(this.options.name);
    return parked;
  }

  #logUnparked(token: string, why: string): void {
    const { log, name } = this.options;
    const aggregate = aggregateIdOf(token);
    log.write(
      'aggregate-live',
      { aggregate, why },
      `${name}: aggregate "${aggregate}" is live again: ${why}`,
    );
  }
}

const ADOPTED_AT_ONCE = 64;
const LIST_EVERY_MS = 30_000;
