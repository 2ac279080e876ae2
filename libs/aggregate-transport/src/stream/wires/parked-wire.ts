import type { Clock } from '../../clock.js';
import { HEADER } from '../../message/headers.js';
import { bitsOf, fnv1a32 } from '../../message/partitioning.js';
import { tokenOfSubject } from '../../message/subject.js';
import type { Letter, LetterNote } from '../../records/letter.js';
import type { Marker, StoredMarker } from '../../records/marker.js';
import type {
  Appended,
  EditNote,
  LetterEvent,
  PageLimits,
  ParkedArchive,
} from '../../parking/parked-port.js';
import { inParallel } from '../../in-parallel.js';
import { publishConfirmed } from '../api/confirmed-publish.js';
import { BatchedGet, hasBatchedGet } from '../api/batched-get.js';
import { isDenied, type JetStreamApi, JetStreamApiError } from '../api/jetstream-api.js';
import {
  keyOfToken,
  keyPrefixOf,
  letterSubjects,
  MARKER_BUCKET,
  markerPlace,
  parkedStreamOf,
  streamOfBucket,
  tokenOfKey,
} from '../keys/key-places.js';
import { hearKeys, readKey, writeKey } from '../keys/kv.js';
import type { KeyAccess } from '../keys/partition-key.js';
import { findMessage, type MessageQuestion, type RawMessage } from '../api/stored-message.js';
import { subjectsOf } from '../api/subjects.js';
import type { NatsSubscription } from '../port/nats-port.js';
import { uniqueName } from '../port/unique-name.js';
import { hasAtomicBatches } from './atomic-batches.js';
import { type BatchMessage, publishBatch } from './letter-batch.js';
import { letterBytes, letterHeaders, letterOf, readLetter } from './stored-letter.js';

export interface ParkedWireOptions extends KeyAccess {
  readonly clock: Clock;
  readonly topic: string;
  readonly group: string;
  /** The leading bits of the partition's subjects, `''` for all: `0.1`. */
  readonly bits: string;
}

const MARKER_STREAM = streamOfBucket(MARKER_BUCKET);
const READ_AT_ONCE = 64;
const READ_TIMEOUT_MS = 1_000;
/** nats-server: the stream was made without allow_atomic. */
const BATCHES_DISABLED = 10174;
const BATCH_HEADERS = [HEADER.batchId, HEADER.batchSequence, HEADER.batchCommit];

/**
 * The parked events of a topic and group over a NATS connection: a key per marker, a subject per aggregate's letters.
 */
export class ParkedWire implements ParkedArchive {
  readonly #markers: string;
  readonly #letters: string;
  readonly #stream: string;
  #hints: NatsSubscription | undefined;
  /** The server stores several letters as one. */
  #mayBatch: boolean;
  #mayPurge = true;
  /** Undefined where letters are read one by one. */
  readonly #batches: BatchedGet | undefined;

  constructor(private readonly options: ParkedWireOptions) {
    const { topic, group } = options;
    this.#stream = parkedStreamOf(topic);
    this.#mayBatch = hasAtomicBatches(options.connection.storingVersion);
    this.#markers = `${keyPrefixOf(MARKER_BUCKET)}${topic}.${group}.`;
    this.#letters = `${this.#stream}.${group}.`;
    const { api, clock, connection } = options;
    if (hasBatchedGet(connection.storingVersion))
      this.#batches = new BatchedGet(connection, api, this.#stream, clock);
  }

  async markers(): Promise<StoredMarker[]> {
    const tokens = await this.markedTokens();
    const found = await inParallel(tokens, READ_AT_ONCE, (token) => this.readMarker(token));
    return found.filter((marker) => marker !== undefined);
  }

  async markedTokens(): Promise<string[]> {
    const filter = `${this.#markers}${this.#filter()}`;
    const subjects = await subjectsOf(this.options.api, MARKER_STREAM, filter);
    return [...subjects.keys()].map(tokenOfKey);
  }

  async readMarker(token: string): Promise<StoredMarker | undefined> {
    const place = markerPlace(this.#keyOf(token));
    const { value, revision } = await readKey<Marker>(this.options.api, place, READ_TIMEOUT_MS);
    return value === undefined ? undefined : { token, marker: value, revision };
  }

  async writeMarker(token: string, marker: Marker, revision: number): Promise<number | undefined> {
    const { api, connection } = this.options;
    const key = this.#keyOf(token);
    const written = await writeKey(connection, key, marker, revision);
    if (written !== undefined || revision !== 0) return written;
    // A key that was deleted with a key-value client holds no marker, but keeps a revision.
    const found = await readKey<Marker>(api, markerPlace(key), READ_TIMEOUT_MS);
    const isDeleted = found.value === undefined && found.revision > 0;
    return isDeleted ? writeKey(connection, key, marker, found.revision) : undefined;
  }

  removeMarker(revision: number): Promise<boolean> {
    // A key keeps one value, so a revision that can be removed is the current one.
    return this.#remove(MARKER_STREAM, revision);
  }

  onMarker(callback: (token: string, marker: Marker) => void): void {
    const filter = `${this.#markers}${this.#filter()}`;
    this.#hints = hearKeys(this.options.connection, filter, (marker, subject) => {
      // The owner's memory is the truth: a marker that an operator deletes is written again.
      if (marker !== undefined) callback(tokenOfKey(subject), marker as Marker);
    });
  }

  async append(
    events: readonly LetterEvent[],
    note: Omit<LetterNote, 'sequence' | 'storedAt'>,
    after: number,
  ): Promise<Appended> {
    const letters = events.map((event) => ({ body: event.origin.body, headers: letterHeaders(event, note) }));
    letters[0]?.headers.set(HEADER.expectedLastSubjectSequence, String(after));
    const [event] = events;
    if (event === undefined) throw new Error('a letter holds an event');
    return this.#store(this.#subjectOf(event.token), letters);
  }

  appendSkipped(
    event: LetterEvent,
    note: Omit<LetterNote, 'sequence' | 'storedAt' | 'marker'>,
  ): Promise<Appended> {
    // With the time the stream was made: in another stream the same sequence is another event.
    const id = `${this.options.group}:${note.stream}:${event.sequence}`;
    const { replacedBy: edit } = note;
    return this.#keep(event, note, edit === undefined ? `skipped:${id}` : `replaced:${id}:${edit}`);
  }

  appendEdit(event: LetterEvent, note: EditNote): Promise<Appended> {
    return this.#keep(event, note, `edit:${this.options.group}:${note.edit.id}`);
  }

  /** Stores an event beside the letters of its aggregate. */
  #keep(
    event: LetterEvent,
    note: Omit<LetterNote, 'sequence' | 'storedAt' | 'marker'>,
    id: string,
  ): Promise<Appended> {
    const headers = letterHeaders(event, { ...note, marker: 0 });
    headers.set(HEADER.messageId, id);
    return this.#store(`${this.#letters}skipped.${event.token}`, [{ body: event.origin.body, headers }]);
  }

  at(position: number): Promise<Letter | undefined> {
    return this.#letter({ seq: position });
  }

  async next(token: string, after: number): Promise<Letter | undefined> {
    return this.#letter({ seq: after + 1, next_by_subj: this.#subjectOf(token) });
  }

  async last(token: string): Promise<Letter | undefined> {
    return this.#letter({ last_by_subj: this.#subjectOf(token) });
  }

  async page(token: string, after: number, { count, maxBytes }: PageLimits): Promise<readonly Letter[]> {
    const question = { subject: this.#subjectOf(token), fromSequence: after + 1, count, maxBytes };
    const asked = this.#batches?.ask(question);
    if (asked !== undefined) return (await asked.answer).messages.map((message) => letterOf(token, message));
    const next = await this.next(token, after);
    return next === undefined ? [] : [next];
  }

  async lettered(): Promise<readonly string[]> {
    const skipped = `${this.#letters}skipped.`;
    const subjects = await subjectsOf(
      this.options.api,
      this.#stream,
      `${this.#letters}${this.#filter()}`,
      READ_TIMEOUT_MS,
    );
    return [...subjects.keys()].filter((subject) => !subject.startsWith(skipped)).map(tokenOfSubject);
  }

  async nextSkipped(after: number, token = '*'): Promise<Letter | undefined> {
    return this.#letter({ seq: after + 1, next_by_subj: `${this.#letters}skipped.${token}` });
  }

  async removeLetter(position: number): Promise<void> {
    await this.#remove(this.#stream, position);
  }

  async removeThrough(token: string, position: number): Promise<void> {
    if (await this.#purge(token, position)) return;
    for (let letter = await this.next(token, 0); letter !== undefined;) {
      if (letter.position > position) return;
      await this.removeLetter(letter.position);
      letter = await this.next(token, letter.position);
    }
  }

  async letterCounts(): Promise<Map<string, number>> {
    const { api, topic, group } = this.options;
    const subjects = await subjectsOf(api, this.#stream, letterSubjects(topic, group));
    return new Map([...subjects].map(([subject, count]) => [tokenOfSubject(subject), count]));
  }

  close(): void {
    this.#hints?.unsubscribe();
  }

  #filter(): string {
    return this.options.bits === '' ? '>' : `${this.options.bits}.>`;
  }

  #keyOf(token: string): string {
    return `${this.#markers}${bitsOf(fnv1a32(token))}.${keyOfToken(token)}`;
  }

  #subjectOf(token: string): string {
    return `${this.#letters}${bitsOf(fnv1a32(token))}.${token}`;
  }

  async #letter(which: MessageQuestion): Promise<Letter | undefined> {
    const found = await this.#get(this.#stream, which);
    return found === undefined ? undefined : readLetter(found);
  }

  #get(stream: string, which: MessageQuestion): Promise<RawMessage | undefined> {
    return findMessage(this.options.api, stream, which, READ_TIMEOUT_MS);
  }

  async #store(subject: string, letters: readonly BatchMessage[]): Promise<Appended> {
    const { connection } = this.options;
    const tooLarge = letters.findIndex((letter) => letterBytes(letter) > connection.maxPayloadBytes);
    // A message over the limit would end the connection.
    if (tooLarge === 0) {
      const size = letters[0] === undefined ? 0 : letterBytes(letters[0]);
      const reason = `the letter has about ${size} bytes, max_payload of the server is ${connection.maxPayloadBytes}`;
      return { kind: 'refused', reason };
    }
    const fitting = tooLarge < 0 ? letters : letters.slice(0, tooLarge);
    return (await this.#storeBatch(subject, fitting)) ?? this.#storeFirst(subject, fitting);
  }

  /** Undefined if they cannot be stored as one. */
  async #storeBatch(subject: string, letters: readonly BatchMessage[]): Promise<Appended | undefined> {
    if (!this.#mayBatch || letters.length < 2) return undefined;
    const { connection } = this.options;
    const { answer, count } = await publishBatch(connection, subject, {
      batchId: uniqueName(),
      messages: letters,
    });
    if (answer.kind === 'stored') return { kind: 'stored', position: answer.sequence, count };
    if (answer.kind === 'refused' && answer.wrongSequence) return { kind: 'moved' };
    if (answer.kind === 'refused' && answer.errorCode === BATCHES_DISABLED) this.#mayBatch = false;
    for (const { headers } of letters) for (const name of BATCH_HEADERS) headers.delete(name);
    return undefined;
  }

  async #storeFirst(subject: string, [first]: readonly BatchMessage[]): Promise<Appended> {
    if (first === undefined) throw new Error('a letter holds an event');
    const answer = await publishConfirmed(this.options.connection, subject, first.body, first.headers);
    if (answer.kind === 'stored') return { kind: 'stored', position: answer.sequence, count: 1 };
    if (answer.kind === 'refused' && answer.wrongSequence) return { kind: 'moved' };
    return { kind: 'refused', reason: answer.description };
  }

  /** False if the server does not let this user, or this stream, be purged. */
  async #purge(token: string, position: number): Promise<boolean> {
    if (!this.#mayPurge) return false;
    // The server removes what lies before `seq`.
    const what = { filter: this.#subjectOf(token), seq: position + 1 };
    try {
      await this.options.api.request(`STREAM.PURGE.${this.#stream}`, what);
      return true;
    } catch (error) {
      if (isDenied(error)) this.#mayPurge = false;
      else if (!(error instanceof JetStreamApiError)) throw error;
      return false;
    }
  }

  async #remove(stream: string, sequence: number): Promise<boolean> {
    try {
      await this.options.api.request(`STREAM.MSG.DELETE.${stream}`, { seq: sequence, no_erase: true });
      return true;
    } catch (error) {
      // Servers answer differently for a message that is gone, so ask for it.
      if (!(error instanceof JetStreamApiError)) throw error;
      if ((await this.#get(stream, { seq: sequence })) !== undefined) throw error;
      return false;
    }
  }
}

/** The topics and groups that have parked aggregates. */
export async function groupsWithParked(api: JetStreamApi): Promise<{ topic: string; group: string }[]> {
  const subjects = await subjectsOf(api, MARKER_STREAM, '>');
  const pairs = [...subjects.keys()].map((subject) =>
    subject.slice(keyPrefixOf(MARKER_BUCKET).length).split('.', 2).join('.'),
  );
  return [...new Set(pairs)].map((pair) => {
    const [topic = '', group = ''] = pair.split('.');
    return { topic, group };
  });
}
