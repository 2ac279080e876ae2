import { type Clock, delay } from '../clock.js';
import { AggregateTransportError, hasCode } from '../errors.js';
import { aggregateIdOf, tokenOf } from '../message/subject.js';
import { isImportMemory, type Letter } from '../records/letter.js';
import {
  type Command,
  type CommandKind,
  editAt,
  identityOf,
  type Marker,
  type StoredMarker,
} from '../records/marker.js';
import { editedForm } from './letter-edits.js';
import type { ParkedArchive } from './parked-port.js';

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
   * The letters of an aggregate, first to last; without a marker, none. One that an operator edited comes twice: the
   * original, whose note says `replacedBy`, then the form that is handled in its place.
   * @throws AGGREGATE_ID_INVALID, JETSTREAM_REQUEST_FAILED
   */
  async *letters(aggregateId: string): AsyncGenerator<Letter> {
    const { port } = this.options;
    const token = tokenOf(aggregateId);
    const found = await port.readMarker(token);
    if (found === undefined) return;
    const identity = identityOf(found);
    for (let letter = await port.next(token, found.marker.replayed ?? 0); letter !== undefined;) {
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

  /** Events whose aggregates went on without them, oldest first. */
  async *skipped(): AsyncGenerator<Letter> {
    const { port } = this.options;
    for (let letter = await port.nextSkipped(0); letter !== undefined;) {
      if (isSkipped(letter)) yield letter;
      letter = await port.nextSkipped(letter.position);
    }
  }

  /**
   * Asks the owner of the aggregate, and waits up to `waitMs` for what becomes of it. Until then it asks again while
   * JetStream does not answer. Safe to call again.
   * @throws NOT_PARKED, COMMAND_UNANSWERED if no owner took the command up in time, JETSTREAM_REQUEST_FAILED
   */
  async command(aggregateId: string, kind: CommandKind, waitMs: number): Promise<CommandResult> {
    const { clock } = this.options;
    const until = clock.now() + waitMs;
    const written = await this.#ask(tokenOf(aggregateId), kind, until);
    let sayAgainAt = clock.now() + SAY_AGAIN_EVERY_MS;
    for (let pauseMs = LOOK_EVERY_MS; ; pauseMs = Math.min(MAX_LOOK_EVERY_MS, pauseMs * 1.5)) {
      await delay(clock, pauseMs);
      const found = await this.#read(written.token, until);
      if (found === undefined || identityOf(found) !== written.identity) return { outcome: 'unparked' };
      const { answer, command, state } = found.marker;
      if (answer?.id === written.id) {
        return answer.error === undefined
          ? { outcome: 'parked' }
          : { outcome: 'failed', error: answer.error };
      }
      if (clock.now() >= until) {
        if (state === 'retrying') return { outcome: 'running' };
        throw unansweredError(this.options.name, aggregateId, waitMs);
      }
      if (clock.now() >= sayAgainAt && command?.id === written.id) {
        // An owner that took the partition over in between may have missed it.
        await this.#write(written.token, found.marker, found.revision);
        sayAgainAt = clock.now() + SAY_AGAIN_EVERY_MS;
      }
    }
  }

  async #ask(token: string, kind: CommandKind, until: number): Promise<Asked> {
    const { clock, newId, name } = this.options;
    /** Written without an answer: it may stand, be carried out, or never arrive. */
    let sent: Command | undefined;
    for (;;) {
      const found = await this.#read(token, until);
      if (found === undefined && sent === undefined) throw notParkedError(name, aggregateIdOf(token));
      const asked = askedBefore(token, found, kind, sent);
      if (asked !== undefined || found === undefined) return asked ?? { token, id: '', identity: NONE };
      if (found.marker.command === undefined) {
        const command = sent ?? (await this.#commandOf(found, kind, newId()));
        const identity = identityOf(found);
        // A marker in its first version names itself by its revision, which this write moves.
        const written = await this.#write(
          token,
          { ...found.marker, made: identity, command },
          found.revision,
        );
        if (written === 'written') return { token, id: command.id, identity };
        if (written === 'refused') continue;
        sent = command;
      }
      if (clock.now() >= until) throw unansweredError(name, aggregateIdOf(token), 0);
      await delay(clock, MAX_LOOK_EVERY_MS);
    }
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

  async #write(token: string, marker: Marker, revision: number): Promise<'written' | 'refused' | 'unknown'> {
    try {
      return (await this.options.port.writeMarker(token, marker, revision)) === undefined
        ? 'refused'
        : 'written';
    } catch (error) {
      if (!hasCode(error, 'JETSTREAM_REQUEST_FAILED')) throw error;
      return 'unknown';
    }
  }

  async #commandOf({ token, marker }: StoredMarker, kind: CommandKind, id: string): Promise<Command> {
    if (kind !== 'skipHead') return { id, kind };
    const head = await this.options.port.next(token, marker.replayed ?? 0);
    return head === undefined ? { id, kind } : { id, kind, position: head.position };
  }
}

/** Edits and their originals are kept beside skipped events. */
function isSkipped({ note }: Letter): boolean {
  return note.edit === undefined && note.replacedBy === undefined;
}

/** The command that stands already, or was carried out although its write had no answer. Pure. */
function askedBefore(
  token: string,
  found: StoredMarker | undefined,
  kind: CommandKind,
  sent: Command | undefined,
): Asked | undefined {
  if (found === undefined) return undefined;
  const { command: pending, answer } = found.marker;
  const identity = identityOf(found);
  if (sent !== undefined && answer?.id === sent.id) return { token, id: sent.id, identity };
  return pending?.kind === kind ? { token, id: pending.id, identity } : undefined;
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

/** Begins something for each item, so many a second, and resolves when all of it has ended. `begin` never rejects. */
export async function beginPaced<T>(
  items: readonly T[],
  ratePerSecond: number,
  clock: Clock,
  begin: (item: T) => Promise<void>,
): Promise<void> {
  const running: Promise<void>[] = [];
  for (const item of items) {
    running.push(begin(item));
    await delay(clock, SECOND_MS / ratePerSecond);
  }
  await Promise.all(running);
}
