import { isSabotaged } from '#sabotage';
import type { Clock } from '../../clock.js';
import { NEXT, type Step } from '../../executor/keyed-executor.js';
import type { LogAt } from '../../log.js';
import { aggregateIdOf } from '../../message/subject.js';
import type { Parked } from '../../parking/parked-aggregate.js';
import type { Parking } from '../../parking/parking.js';
import type { ReplayPlan } from '../../parking/replays.js';
import type { Letter } from '../../records/letter.js';
import type { ReplayPlace } from '../handling/lane-listener.js';

/** The lanes of an aggregate: of its events, and of those that become letters. */
export interface DetourLanes {
  /** From now on events of the aggregate go into its lane of letters, which stays closed until it is opened. */
  detour(token: string): void;
  closeLetters(token: string): void;
  openLetters(token: string): void;
  /** The first event that waits to become a letter. */
  firstWaiting(token: string): number | undefined;
  /** Replays the aggregate in its lane, after what stands there. */
  replay(token: string): void;
}

export interface AggregateReplayOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly parking: Parking;
  readonly lanes: DetourLanes;
  readonly place: ReplayPlace;
  readonly clock: Clock;
  readonly log: LogAt<'partition'>;
}

/** More must be read first, or the run cannot grow yet: check again soon. */
const CHECK_AGAIN_MS = 20;
const AT_ONCE: Step = 0;
const LETTERS_FIRST = 'retry, skip or discard its letters first';

interface Raised {
  readonly id: string;
  readonly run: number;
  readonly through: number;
}

/**
 * Begins the replay of one aggregate: its events from a sequence on are handled again, in its lane, while all other
 * aggregates continue. Each step may be the last one of its process; the next owner continues from the marker.
 *
 * 1. An operator asks by a marker: a new one for a live aggregate, or a command in the marker of a parked one. Until
 *    step 4 a live aggregate's events are handled as before, and an owner that dies leaves the marker as it was.
 * 2. The owner waits until it has read all that an earlier owner may have started. It puts an item into the lane. When
 *    that is the head, every event before it has ended.
 * 3. It takes the marker over, for its epoch. In the same turn events of the aggregate begin to wait.
 * 4. The run of the partition grows and is confirmed (`RunRaises`). That commit also settles the events of step 2.
 * 5. The marker says `replaying`, from where to where. `to` is the last event that may be of an earlier run. From here
 *    on every event up to `to` is settled by the marker: it was handled, or the replay brings it. Later ones become
 *    letters.
 * 6. The history is handled from the stream, event by event. The marker notes how far (`HistoryQueue`).
 * 7. Letters follow when every event up to `to` is settled in the confirmed position. Those of replayed events are
 *    dropped. Then the marker falls, as after any replay of letters.
 *
 * A replay never begins after an event that is not handled. It begins at the first letter, or at the first event that
 * waits, if that is earlier than what was asked for. If the stream holds the event of the first letter no more, it is
 * refused: the letter is the only copy.
 */
export class AggregateReplay {
  /** Live aggregates for which step 2 has read all that was inherited. */
  readonly #hasRead = new Set<string>();
  /** The run has grown for this command, and no marker says so yet. */
  readonly #raised = new Map<string, Raised>();

  constructor(private readonly options: AggregateReplayOptions) {}

  forget(): void {
    this.#hasRead.clear();
    this.#raised.clear();
  }

  /** One step of an aggregate that is live: steps 2 and 3. */
  async takeUp(token: string): Promise<Step> {
    const { parking, lanes, place, clock } = this.options;
    if (!this.#hasRead.has(token)) {
      const hasRead = place.hasReadInherited();
      if (hasRead) this.#hasRead.add(token);
      // Behind what was read meanwhile: an event that an earlier owner may have handled keeps its run.
      clock.after(hasRead ? 0 : CHECK_AGAIN_MS, () => lanes.replay(token));
      return NEXT;
    }
    const parked = await parking.replays.takeUp(token);
    if (parked === undefined) return NEXT;
    this.#hasRead.delete(token);
    parking.take(parked);
    lanes.detour(token);
    return AT_ONCE;
  }

  /** True if the marker holds a command for a replay that has not begun. */
  isToBegin({ marker: { command, replay } }: Parked): boolean {
    return command?.kind === 'replay' && command.id !== replay?.id;
  }

  /** Steps 4 and 5. `first`: what is to be handled next without the replay. */
  async begin(parked: Parked, first: Letter | undefined): Promise<Step> {
    const { parking, lanes } = this.options;
    const { token, marker } = parked;
    const obstacle = this.#obstacleTo(parked, first);
    if (obstacle !== undefined) return this.#refuse(parked, obstacle);
    // An event that is filed at this moment is the first letter, or waits.
    if (!isSabotaged('replay-not-detoured')) lanes.closeLetters(token);
    const waiting = this.#firstWaiting(token);
    if (!(await this.#comesAgain(token, first)))
      return this.#refuse(parked, `the stream has dropped the event of its first letter: ${LETTERS_FIRST}`);
    const raised = await this.#raise(token, marker.command?.id ?? '');
    if (raised === undefined) return CHECK_AGAIN_MS;
    // Events were taken in meanwhile, and one that was on its way is a letter by now.
    const next = Math.min(first?.note.sequence ?? Infinity, waiting, this.#firstWaiting(token));
    const plan = this.#planOf(parked, raised, next);
    await parking.letters.removed(parked);
    await parking.replays.begin(parked, plan);
    this.#raised.delete(token);
    lanes.openLetters(token);
    this.#tell(parked);
    return AT_ONCE;
  }

  #firstWaiting(token: string): number {
    return this.options.lanes.firstWaiting(token) ?? Infinity;
  }

  /** `next`: the first event that is not handled; infinity if all are. */
  #planOf({ marker }: Parked, { run, through: to }: Raised, next: number): ReplayPlan {
    const from = Math.max(1, Math.min(marker.command?.replay?.from ?? 1, next));
    // What an unfinished replay had left counts as handled before as far as it had been.
    const { replay } = marker;
    const before = replay?.created === this.options.place.created ? replay.handledThrough : 0;
    return { from, to, run, handledThrough: Math.max(before, Math.min(to, next - 1)) };
  }

  async #refuse(parked: Parked, obstacle: string): Promise<Step> {
    await this.options.parking.replays.refuse(parked, obstacle);
    this.options.lanes.openLetters(parked.token);
    return AT_ONCE;
  }

  /** Letters of what is handled again are dropped, because their events come again: so they must. */
  async #comesAgain(token: string, first: Letter | undefined): Promise<boolean> {
    if (first === undefined || first.isReplay !== undefined) return true;
    return this.options.parking.letters.isInStream(token, first.note.sequence);
  }

  #obstacleTo({ marker: { command } }: Parked, first: Letter | undefined): string | undefined {
    const { created } = this.options.place;
    if (command?.replay?.created !== created)
      return 'the stream was made again since this was asked for, and its events are handled from the first one';
    if (first === undefined || first.note.stream === created) return undefined;
    return `its first letter is of a stream that was made again since: ${LETTERS_FIRST}`;
  }

  /** Raised once for a command, even if the marker cannot be written. */
  async #raise(token: string, id: string): Promise<Raised | undefined> {
    const known = this.#raised.get(token);
    if (known?.id === id) return known;
    const raised = await this.options.place.raiseRun();
    if (raised === undefined) return undefined;
    const noted = { ...raised, id };
    this.#raised.set(token, noted);
    return noted;
  }

  #tell({ token, marker: { replay } }: Parked): void {
    const { log, name } = this.options;
    if (replay === undefined) return;
    const aggregate = aggregateIdOf(token);
    const { from, to, run } = replay;
    log.write(
      'replay-begun',
      { aggregate, from, through: to, run },
      `${name}: aggregate "${aggregate}" is replayed from sequence ${from} to ${to}, run ${run}`,
    );
  }
}
