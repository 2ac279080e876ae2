import { reached } from '#sabotage';
import { delay } from '../../clock.js';
import { AggregateTransportError, hasCode } from '../../errors.js';
import { tokenOf } from '../../message/subject.js';
import type { AggregatePorts } from './aggregate-ports.js';
import { type AggregatePlace, placesOf } from './aggregate-places.js';
import { commandsOf, type OperatorParts } from './replay-aggregate.js';

/** What the server holds of an aggregate. */
export interface PurgePlan {
  /** The topic that holds it. */
  readonly topic: string;
  /** The aggregate that was asked about. */
  readonly aggregateId: string;
  /** Events of it that the stream holds. */
  readonly events: number;
  /** Groups with letters or skipped events of it. */
  readonly letters: readonly { readonly group: string; readonly count: number }[];
  /** Where it stands in each group of the topic. */
  readonly places: readonly AggregatePlace[];
}

/** What was removed. */
export interface Purged {
  /** Events that were removed from the topic's stream. */
  readonly events: number;
  /** Letters and skipped events, those that owners have dropped included. */
  readonly letters: number;
  /** Markers that fell. */
  readonly markers: number;
  /** Events that were stored while the purge ran: they are there. */
  readonly storedSince: number;
}

export interface PurgeOptions {
  /** How long an owner may take to drop the letters of a parked aggregate, in milliseconds. */
  readonly waitMs: number;
}

interface Found {
  readonly plan: PurgePlan;
  readonly created: string;
  readonly sequences: readonly number[];
  /** The stream's last sequence: nothing above it is touched. */
  readonly through: number;
}

const LOOK_AGAIN_MS = 200;

/**
 * Removes all that a topic and its groups hold of one aggregate. Each step may be the last one: the purge run again
 * finds what is left.
 *
 * 1. The aggregate's events are listed. Every group must have settled each of them, so no lane holds one.
 * 2. Where it is parked, its owner drops the letters. Without a living owner the marker is removed by its revision; an
 *    owner that comes back meanwhile moves that revision.
 * 3. It is written down which sequences are about to go. A group that reads the stream later does not find them, and
 *    must not count them as lost.
 * 4. The events are purged, up to the last sequence of step 1. An event that is published meanwhile stays.
 * 5. Letters without a marker, and skipped events, are purged.
 */
export class AggregatePurge {
  readonly #token: string;

  /** @throws AGGREGATE_ID_INVALID */
  constructor(
    private readonly ports: AggregatePorts,
    private readonly aggregateId: string,
    private readonly parts: OperatorParts,
  ) {
    this.#token = tokenOf(aggregateId);
  }

  /**
   * What would be removed. Changes nothing.
   * @throws JETSTREAM_REQUEST_FAILED, RECORD_INVALID
   */
  async plan(): Promise<PurgePlan> {
    return (await this.#find()).plan;
  }

  /**
   * Removes it. Safe to call again, and while replicas run.
   * @throws AGGREGATE_UNSETTLED if a group has not settled all its events: nothing is removed
   * @throws COMMAND_UNANSWERED if an owner that lives does not drop the letters in time
   * @throws JETSTREAM_REQUEST_FAILED, RECORD_INVALID
   */
  async run({ waitMs }: PurgeOptions): Promise<Purged> {
    const { ports } = this;
    const found = await this.#find();
    this.#requireSettled(found.plan);
    const parked = found.plan.places.filter((place) => place.parked !== undefined);
    for (const place of parked) await this.#unpark(place, waitMs);
    // Letters of an event that is published from here on are no longer below this.
    const position = await ports.lastPosition();
    // It may have been parked again by an event that came meanwhile: that one is not settled.
    const again = await this.#find();
    this.#requireSettled(again.plan);
    this.#requireLive(again.plan);
    reached('purge: unparked');
    await ports.notePurged(found.created, found.sequences);
    reached('purge: noted');
    const events = await ports.purgeEvents(this.#token, found.through);
    reached('purge: events purged');
    const left = await ports.purgeLetters(this.#token, position);
    reached('purge: letters purged');
    const before = sumOf(found.plan.letters);
    const storedSince = (await this.#find()).sequences.length;
    return { events, letters: Math.max(before, left), markers: parked.length, storedSince };
  }

  async #find(): Promise<Found> {
    const { ports, aggregateId } = this;
    const { created, lastSequence: through } = await ports.stream();
    const sequences: number[] = [];
    for await (const { sequence } of ports.history(this.#token, 1)) {
      if (sequence > through) break;
      sequences.push(sequence);
    }
    const [places, letters] = await Promise.all([
      placesOf(ports, this.#token, { sequences }),
      ports.letters(this.#token),
    ]);
    const plan = { topic: ports.topic, aggregateId, events: sequences.length, letters, places };
    return { plan, created, sequences, through };
  }

  #requireSettled({ places }: PurgePlan): void {
    const open = places.filter(({ waiting }) => waiting > 0);
    if (open.length === 0) return;
    const groups = open
      .map(({ group, waiting, firstWaiting }) => `${group} (${waiting}, from sequence ${firstWaiting ?? 0})`)
      .join(', ');
    throw new AggregateTransportError(
      'AGGREGATE_UNSETTLED',
      `expected every group to have settled the events of aggregate "${this.aggregateId}", found events that wait in ` +
        `${groups}; nothing was removed: let these groups catch up, or give a group up with group reset --to end`,
    );
  }

  #requireLive({ places }: PurgePlan): void {
    const parked = places.filter((place) => place.parked !== undefined).map(({ group }) => group);
    if (parked.length === 0) return;
    throw new AggregateTransportError(
      'AGGREGATE_UNSETTLED',
      `expected aggregate "${this.aggregateId}" to be live, found it parked again in ${parked.join(', ')}: an event ` +
        'was published meanwhile; stop its publishers, and run the purge again',
    );
  }

  async #unpark({ group, owner }: AggregatePlace, waitMs: number): Promise<void> {
    const { ports, parts } = this;
    const port = ports.parked(group);
    const commands = commandsOf(ports, group, parts);
    const until = parts.clock.now() + waitMs;
    for (;;) {
      const found = await port.readMarker(this.#token);
      if (found === undefined) return;
      if (owner?.isAlive !== true && (await port.removeMarker(found.revision))) return;
      try {
        const left = Math.max(0, until - parts.clock.now());
        const { outcome } = await commands.command(this.aggregateId, 'discard', left);
        if (outcome === 'unparked') return;
      } catch (error) {
        if (hasCode(error, 'NOT_PARKED')) return;
        if (!hasCode(error, 'COMMAND_UNANSWERED') || parts.clock.now() >= until) throw error;
      }
      await delay(parts.clock, LOOK_AGAIN_MS);
    }
  }
}

function sumOf(letters: PurgePlan['letters']): number {
  return letters.reduce((sum, { count }) => sum + count, 0);
}
