import { connect, type Msg, type NatsConnection } from 'nats';
import { HeardAnswers } from '../../support/heard-answers.js';
import { stamp } from '../harness/journal.js';
import { PositionReader } from '../harness/position-reader.js';
import { type PositionLine, PositionTap } from '../harness/position-tap.js';
import { positionsOf, type PositionWrite, type SentLetter } from '../oracle/history.js';
import type { Ms, SeenLetter, SeenMarker } from './parking-history.js';
import { PARKING_GROUP } from './setup.js';

// Written out again: what is on the wire is a format, and a judge does not ask the judged.
const LETTER_HEADER = 'Aggregate-Transport-Letter';
/** Of an atomic batch: one answer, to the last message, is for all. */
const BATCH_HEADER = 'Nats-Batch-Id';
const COMMIT_HEADER = 'Nats-Batch-Commit';
const MARKER_BUCKET = 'aggregate-transport-parked';
const NANOS_PER_MS = 1_000_000;
const READ_WITHIN_MS = 5_000;

interface Note {
  readonly marker: number;
  readonly sequence: number;
}

/**
 * A direct connection to the server, past all proxies. It hears letters, markers and positions: requests, and the
 * server's answers to them. What it notes may be late, never early.
 */
export class LetterTap {
  readonly letters: SeenLetter[] = [];
  /** Letters of events that were skipped by policy. */
  readonly skipped: SentLetter[] = [];
  readonly removed: { readonly position: number; readonly at: Ms }[] = [];
  readonly markers: SeenMarker[] = [];
  /** What the server holds now. */
  readonly positionReader: PositionReader;
  readonly #positions: (PositionLine & { at: number })[] = [];
  readonly #answers = new HeardAnswers();
  /** Letters of batches that are not complete, by the batch's id. */
  readonly #batches = new Map<string, Pick<Stored, 'subject' | 'note'>[]>();

  private constructor(
    readonly nats: NatsConnection,
    private readonly topic: string,
  ) {
    this.positionReader = new PositionReader(nats, topic, PARKING_GROUP);
  }

  /** With `positions` false it costs next to nothing beside a large load. */
  static async open(url: string, topic: string, positions: boolean): Promise<LetterTap> {
    const nats = await connect({ servers: url });
    const tap = new LetterTap(nats, topic);
    tap.#listen(positions);
    await nats.flush();
    return tap;
  }

  /** Every position that passed by. */
  get positions(): PositionWrite[] {
    return positionsOf(this.#positions);
  }

  /** What is in the parked stream and in the bucket of markers now, read past the library. */
  async left(): Promise<{
    letters: SeenLetter[];
    skipped: number[];
    markers: [token: string, identity: number][];
  }> {
    const stream = `${this.topic}_parked`;
    const stored = await this.#readAll(stream, `${stream}.${PARKING_GROUP}.>`);
    const isSkipped = ({ subject }: Stored): boolean => subject.includes('.skipped.');
    const prefix = `$KV.${MARKER_BUCKET}.${this.topic}.${PARKING_GROUP}.`;
    const markers = await this.#readAll(`KV_${MARKER_BUCKET}`, `${prefix}>`);
    return {
      letters: stored.filter((letter) => !isSkipped(letter)).map((letter) => seen(letter, letter.seq)),
      skipped: stored.filter(isSkipped).map((letter) => noteOf(letter.note).sequence),
      markers: markers.map(({ subject, seq, body }) => {
        const { made } = JSON.parse(body) as { made: number };
        return [tokenOf(subject), made === 0 ? seq : made];
      }),
    };
  }

  /** Tokens that have a marker or a letter now. */
  async parkedTokens(): Promise<string[]> {
    const stream = `${this.topic}_parked`;
    const letters = await this.#subjects(stream, `${stream}.${PARKING_GROUP}.*.*.*.*.*.*.*.*.*`);
    const keys = `$KV.${MARKER_BUCKET}.${this.topic}.${PARKING_GROUP}.>`;
    const markers = await this.#subjects(`KV_${MARKER_BUCKET}`, keys);
    return [...new Set([...letters.keys(), ...markers.keys()].map(tokenOf))];
  }

  async close(): Promise<void> {
    await this.nats.close();
  }

  #listen(positions: boolean): void {
    const stream = `${this.topic}_parked`;
    this.#hear(`${stream}.${PARKING_GROUP}.>`, (message) => {
      const batch = this.#batchOf(message);
      if (batch === undefined) return;
      this.#answers.asked(message, (answer) => {
        const { seq: last, error } = answer.json<{ seq?: number; error?: object }>();
        if (last === undefined || error !== undefined) return;
        for (const [index, letter] of batch.entries()) {
          const position = last - (batch.length - 1 - index);
          if (!letter.subject.includes('.skipped.')) this.letters.push(seen(letter, position));
          else this.skipped.push({ seq: noteOf(letter.note).sequence, at: now() });
        }
      });
    });
    this.#hear(`$JS.API.STREAM.MSG.DELETE.${stream}`, (message) => {
      const { seq: position } = message.json<{ seq: number }>();
      this.#answers.asked(message, (answer) => {
        if (answer.json<{ success?: boolean }>().success === true) this.removed.push({ position, at: now() });
      });
    });
    this.#hear(`$JS.API.STREAM.PURGE.${stream}`, (message) => {
      const { filter, seq: end } = message.json<{ filter: string; seq: number }>();
      // What is stored meanwhile lies behind the end.
      const gone = this.letters.filter(({ key, position }) => key === tokenOf(filter) && position < end);
      this.#answers.asked(message, (answer) => {
        if (answer.json<{ success?: boolean }>().success !== true) return;
        const known = new Set(this.removed.map(({ position }) => position));
        for (const { position } of gone) if (!known.has(position)) this.removed.push({ position, at: now() });
      });
    });
    this.#hear(`$KV.${MARKER_BUCKET}.${this.topic}.${PARKING_GROUP}.>`, ({ subject, data }) => {
      const text = Buffer.from(data).toString('utf8');
      const { state } = JSON.parse(text || '{}') as { state?: string };
      this.markers.push({ key: tokenOf(subject), state, at: now() });
    });
    if (positions) {
      const write = (line: PositionLine): void => void this.#positions.push({ ...line, at: stamp() });
      new PositionTap(this.nats, this.topic, PARKING_GROUP, { write });
    }
    // Inboxes of three tokens only: an ear on those of pulls would keep the pulls of dead processes alive.
    this.#hear('_INBOX.*.*', (answer) => this.#answers.answered(answer));
  }

  /** All letters of the batch that this message completes; one that stands alone is a batch. Undefined until then. */
  #batchOf({ subject, headers }: Msg): Pick<Stored, 'subject' | 'note'>[] | undefined {
    const letter = { subject, note: headers?.get(LETTER_HEADER) ?? '' };
    const id = headers?.get(BATCH_HEADER) ?? '';
    if (id === '') return [letter];
    const batch = [...(this.#batches.get(id) ?? []), letter];
    this.#batches.set(id, batch);
    if (headers?.get(COMMIT_HEADER) === '') return undefined;
    this.#batches.delete(id);
    return batch;
  }

  #hear(subject: string, hear: (message: Msg) => void): void {
    this.nats.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) hear(message);
      },
    });
  }

  /** Everything on the subjects of a stream; what is removed meanwhile may be missing. */
  async #readAll(stream: string, filter: string): Promise<Stored[]> {
    const found: Stored[] = [];
    const expected = sumOf((await this.#subjects(stream, filter)).values());
    if (expected === 0) return found;
    const consumer = await this.nats.jetstream().consumers.get(stream, { filterSubjects: filter });
    const messages = await consumer.fetch({ max_messages: expected, expires: READ_WITHIN_MS });
    for await (const { subject, seq, headers, data } of messages) {
      found.push({
        subject,
        seq,
        note: headers?.get(LETTER_HEADER) ?? '',
        body: Buffer.from(data).toString(),
      });
      if (found.length === expected) break;
    }
    return found;
  }

  async #subjects(stream: string, filter: string): Promise<Map<string, number>> {
    const manager = await this.nats.jetstreamManager();
    const { state } = await manager.streams.info(stream, { subjects_filter: filter });
    return new Map(Object.entries(state.subjects ?? {}));
  }
}

interface Stored {
  readonly subject: string;
  readonly seq: number;
  readonly note: string;
  readonly body: string;
}

function tokenOf(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}

function sumOf(numbers: Iterable<number>): number {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
}

function now(): Ms {
  return stamp() / NANOS_PER_MS;
}

function noteOf(text: string): Note {
  return JSON.parse(text) as Note;
}

function seen({ subject, note }: Pick<Stored, 'subject' | 'note'>, position: number): SeenLetter {
  const { marker, sequence: seq } = noteOf(note);
  return { key: tokenOf(subject), seq, position, marker, at: now() };
}
