import { type Clock, delay } from '../../clock.js';
import { AggregateTransportError, hasCode } from '../../errors.js';
import { aggregateIdOf, tokenOf } from '../../message/subject.js';
import { isImportMemory, type Letter } from '../../records/letter.js';
import {
  type Command,
  editAt,
  identityOf,
  type Marker,
  type ParkedCommandKind,
  type ReplayRequest,
  type StoredMarker,
} from '../../records/marker.js';
import { editedForm } from '../../parking/letter-edits.js';
import type { ParkedArchive } from '../../parking/parked-port.js';

export interface ParkedCommandsOptions {
  /** For error texts: topic and group. */
  readonly name: string;
  readonly port: ParkedArchive;
  readonly clock: Clock;
  /** A name no other command has. */
  readonly newId: () => string;
}

/** What became of a command. */
export type CommandResult =
  /** No letter is left: the aggregate is live again. */
  | { readonly outcome: 'unparked' }
  /** Carried out; the aggregate stays parked, because letters are left. */
  | { readonly outcome: 'parked' }
  /** The first letter failed again, and the aggregate stays parked. */
  | { readonly outcome: 'failed'; readonly error: string }
  /** Its owner is at it, and needs longer than the caller waits. */
  | { readonly outcome: 'running' };

/** A command, and the marker that it was written into. */
interface Asked {
  readonly token: string;
  readonly id: string;
  readonly identity: number;
}

/** The marker is gone: the command was carried out before its answer arrived. */
const NONE = -1;
const LOOK_EVERY_MS = 50;
const MAX_LOOK_EVERY_MS = 500;
const SAY_AGAIN_EVERY_MS = 2_000;

/**
 * What an operator can see of the parked aggregates of one topic and group, and ask their owner to do. Works from
 * any process: a command is written into the aggregate's marker, and the owner of its partition carries it out.
 */
export class ParkedCommands {
  constructor(private readonly options: ParkedCommandsOptions) {}

  /** All parked aggregates with the number of their letters. */
  async list(): Promise<(StoredMarker & { readonly letters: number })[]> {
    const { port } = this.options;
    const [markers, counts] = await Promise.all([port.markers(), port.letterCounts()]);
    return markers.map((found) => ({ ...found, letters: counts.get(found.token) ?? 0 }));
  }

  /**
   * The letters of an aggregate behind a position, first to last; without a marker, none. One that an operator edited
   * comes twice: the original, whose note says `replacedBy`, then the form that is handled in its place.
   * @throws AGGREGATE_ID_INVALID, JETSTREAM_REQUEST_FAILED
   */
  async *letters(aggregateId: string, after = 0): AsyncGenerator<Letter> {
    const { port } = this.options;
    const token = tokenOf(aggregateId);
    const found = await port.readMarker(token);
    if (found === undefined) return;
    const identity = identityOf(found);
    const from = Math.max(after, found.marker.replayed ?? 0);
    for (let letter = await port.next(token, from); letter !== undefined;) {
      if (letter.note.marker === identity) yield* this.#withEdit(letter, found.marker);
      letter = await port.next(token, letter.position);
    }
  }

  async *#withEdit(letter: Letter, marker: Marker): AsyncGenerator<Letter> {
    const edit = editAt(marker, letter.position);
    const edited = edit && (await this.options.port.at(edit.by));
    const id = edited?.note.edit?.id;
    if (edited === undefined || id === undefined) {
      yield letter;
      return;
    }
    yield { ...letter, note: { ...letter.note, replacedBy: id } };
    yield editedForm(letter, edited);
  }

  /**
   * What is kept of the edits of an aggregate, oldest first: each original that was replaced, and each edited form.
   * @throws AGGREGATE_ID_INVALID, JETSTREAM_REQUEST_FAILED
   */
  async *edits(aggregateId: string): AsyncGenerator<Letter> {
    const { port } = this.options;
    const token = tokenOf(aggregateId);
    for (let letter = await port.nextSkipped(0, token); letter !== undefined;) {
      if (!isSkipped(letter) && !isImportMemory(letter.note)) yield letter;
      letter = await port.nextSkipped(letter.position, token);
    }
  }

  /** Events whose aggregates continued without them, or those of one aggregate, oldest first. */
  async *skipped(aggregateId?: string): AsyncGenerator<Letter> {
    const { port } = this.options;
    const token = aggregateId === undefined ? undefined : tokenOf(aggregateId);
    for (let letter = await port.nextSkipped(0, token); letter !== undefined;) {
      if (isSkipped(letter)) yield letter;
      letter = await port.nextSkipped(letter.position, token);
    }
  }

  /**
   * Asks the owner of the aggregate, and waits up to `waitMs` for what becomes of it. Until then it asks again while
   * JetStream does not answer. Safe to call again.
   * @throws NOT_PARKED, COMMAND_UNANSWERED if no owner took the command up in time, JETSTREAM_REQUEST_FAILED
   */
  command(aggregateId: string, kind: ParkedCommandKind, waitMs: number): Promise<CommandResult> {
    return this.#carryOut(aggregateId, { kind }, waitMs);
  }

  /**
   * Asks the owner to handle the history of an aggregate again, parked or live, and waits up to `waitMs` for the end.
   * The same request again waits for the one that stands; another one waits for its turn.
   * @throws COMMAND_UNANSWERED if no owner took it up in time: it stands, JETSTREAM_REQUEST_FAILED
   */
  replay(aggregateId: string, replay: ReplayRequest, waitMs: number): Promise<CommandResult> {
    return this.#carryOut(aggregateId, { kind: 'replay', replay }, waitMs);
  }

  /**
   * Takes back a replay of a live aggregate that no owner has begun. False if there is none.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async withdraw(aggregateId: string): Promise<boolean> {
    const { port } = this.options;
    const token = tokenOf(aggregateId);
    for (;;) {
      const found = await port.readMarker(token);
      if (found?.marker.state !== 'asked') return false;
      if (await port.removeMarker(found.revision)) return true;
    }
  }

  async #carryOut(aggregateId: string, wish: Wish, waitMs: number): Promise<CommandResult> {
    const { clock } = this.options;
    const until = clock.now() + waitMs;
    const written = await this.#ask(tokenOf(aggregateId), wish, until);
    let sayAgainAt = clock.now() + SAY_AGAIN_EVERY_MS;
    for (let pauseMs = LOOK_EVERY_MS; ; pauseMs = Math.min(MAX_LOOK_EVERY_MS, pauseMs * 1.5)) {
      await delay(clock, pauseMs);
      const found = await this.#read(written.token, until);
      if (found === undefined || identityOf(found) !== written.identity) return { outcome: 'unparked' };
      const result = resultOf(found.marker, written.id);
      if (result !== undefined && result.outcome !== 'running') return result;
      if (clock.now() >= until) {
        if (result !== undefined) return result;
        throw unansweredError(this.options.name, aggregateId, waitMs);
      }
      if (clock.now() >= sayAgainAt && found.marker.command?.id === written.id) {
        // An owner that took the partition over in between may have missed it.
        const marker = { ...found.marker, made: written.identity };
        await this.#write(written.token, marker, found.revision);
        sayAgainAt = clock.now() + SAY_AGAIN_EVERY_MS;
      }
    }
  }

  async #ask(token: string, wish: Wish, until: number): Promise<Asked> {
    const { clock, newId, name } = this.options;
    /** Written without an answer: it may stand, be carried out, or never arrive. */
    let sent: Command | undefined;
    for (;;) {
      const found = await this.#read(token, until);
      if (found === undefined && sent === undefined) this.#requireReplay(token, wish);
      const asked = askedBefore(token, found, wish, sent);
      if (asked !== undefined) return asked;
      if (found?.marker.command === undefined) {
        const command = sent ?? (await this.#commandOf(token, found?.marker, { ...wish, id: newId() }));
        const written = await this.#writeCommand(token, found, command);
        if (typeof written === 'object') return written;
        if (written === 'refused') continue;
        sent = command;
      }
      if (clock.now() >= until) throw unansweredError(name, aggregateIdOf(token), 0);
      await delay(clock, MAX_LOOK_EVERY_MS);
    }
  }

  /** An aggregate that is live takes no other wish. */
  #requireReplay(token: string, { kind }: Wish): void {
    if (kind !== 'replay') throw notParkedError(this.options.name, aggregateIdOf(token));
  }

  /** Into the marker there is, or into a new one. */
  async #writeCommand(
    token: string,
    found: StoredMarker | undefined,
    command: Command,
  ): Promise<Asked | 'refused' | 'unknown'> {
    const made = found === undefined ? 0 : identityOf(found);
    // A marker in its first version names itself by its revision, which this write moves.
    const marker = { ...(found?.marker ?? this.#liveMarker()), made, command };
    const written = await this.#write(token, marker, found?.revision ?? 0);
    if (typeof written !== 'number') return written;
    return { token, id: command.id, identity: made === 0 ? written : made };
  }

  /** The marker. Asks again while JetStream does not answer and time is left. */
  async #read(token: string, until: number): Promise<StoredMarker | undefined> {
    const { port, clock } = this.options;
    for (;;) {
      try {
        return await port.readMarker(token);
      } catch (error) {
        if (!hasCode(error, 'JETSTREAM_REQUEST_FAILED') || clock.now() >= until) throw error;
        await delay(clock, MAX_LOOK_EVERY_MS);
      }
    }
  }

  /** The marker of an aggregate that is not parked. */
  #liveMarker(): Marker {
    const since = this.options.clock.wallNow();
    const nothing = { epoch: 0, made: 0, attempts: 0, sequence: 0, crashes: 0, error: '' };
    return { ...nothing, state: 'asked', reason: 'REPLAYED', since };
  }

  /** Resolves with the new revision. */
  async #write(token: string, marker: Marker, revision: number): Promise<number | 'refused' | 'unknown'> {
    try {
      return (await this.options.port.writeMarker(token, marker, revision)) ?? 'refused';
    } catch (error) {
      if (!hasCode(error, 'JETSTREAM_REQUEST_FAILED')) throw error;
      return 'unknown';
    }
  }

  async #commandOf(token: string, marker: Marker | undefined, command: Command): Promise<Command> {
    if (command.kind !== 'skipHead' || marker === undefined) return command;
    // Of a history that is replayed the head is the event that failed.
    if (marker.replay !== undefined && marker.replay.from <= marker.replay.to)
      return { ...command, sequence: marker.sequence };
    const head = await this.options.port.next(token, marker.replayed ?? 0);
    return head === undefined ? command : { ...command, position: head.position };
  }
}

/** What an operator wants. */
type Wish = Omit<Command, 'id'>;

/** What the marker tells of a command; undefined if nothing yet. Pure. */
function resultOf({ answer, state }: Marker, id: string): CommandResult | undefined {
  if (answer?.id !== id)
    return state === 'retrying' || state === 'replaying' ? { outcome: 'running' } : undefined;
  return answer.error === undefined ? { outcome: 'parked' } : { outcome: 'failed', error: answer.error };
}

/** Edits and their originals are kept beside skipped events. */
function isSkipped({ note }: Letter): boolean {
  return note.edit === undefined && note.replacedBy === undefined;
}

/** The command that stands already, or was carried out although its write had no answer. Pure. */
function askedBefore(
  token: string,
  found: StoredMarker | undefined,
  wish: Wish,
  sent: Command | undefined,
): Asked | undefined {
  // It was carried out although its write had no answer.
  if (found === undefined) return sent === undefined ? undefined : { token, id: '', identity: NONE };
  const { command: pending, answer } = found.marker;
  const identity = identityOf(found);
  if (sent !== undefined && answer?.id === sent.id) return { token, id: sent.id, identity };
  const isSame = pending?.kind === wish.kind && pending.replay?.from === wish.replay?.from;
  return pending !== undefined && isSame ? { token, id: pending.id, identity } : undefined;
}

function notParkedError(name: string, aggregateId: string): AggregateTransportError {
  return new AggregateTransportError(
    'NOT_PARKED',
    `expected aggregate "${aggregateId}" of ${name} to be parked, found no marker; it is live, or the name is another`,
  );
}

function unansweredError(name: string, aggregateId: string, waitMs: number): AggregateTransportError {
  return new AggregateTransportError(
    'COMMAND_UNANSWERED',
    `expected the owner of aggregate "${aggregateId}" of ${name} to answer within ${waitMs} ms, found no answer; ` +
      'the command stands and is carried out as soon as a process of the group runs',
  );
}

const SECOND_MS = 1_000;

/** How fast things begin. */
export interface Pace {
  readonly ratePerSecond: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Begins something for each item, so many a second, and resolves when all of it has ended. `begin` never rejects. Once
 * `signal` is aborted, nothing more begins.
 */
export async function beginPaced<T>(
  items: readonly T[],
  { ratePerSecond, clock, signal }: Pace,
  begin: (item: T) => Promise<void>,
): Promise<void> {
  const running: Promise<void>[] = [];
  for (const item of items) {
    if (signal?.aborted === true) break;
    running.push(begin(item));
    await delay(clock, SECOND_MS / ratePerSecond);
  }
  await Promise.all(running);
}
