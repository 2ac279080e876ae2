import { connect, type Msg, type NatsConnection } from 'nats';
import { HeardAcks } from '../../support/heard-acks.js';
import { stamp } from '../harness/journal.js';
import type { Ms, SeenLetter, Settled } from './parking-history.js';
import { PARKING_GROUP } from './setup.js';

// Written out again: what is on the wire is a format, and a judge does not ask the judged.
const LETTER_HEADER = 'Aggregate-Transport-Letter';
const MARKER_BUCKET = 'aggregate-transport-parked';
const NANOS_PER_MS = 1_000_000;
const READ_WITHIN_MS = 2_000;
const MAX_EARLY = 2_000;

interface Note {
  readonly marker: number;
  readonly sequence: number;
}

/** Anything that has been sent and whose answer is still to be seen. */
type Open = (answer: Msg) => void;

/**
 * A direct connection to the server, past all proxies, that sees letters being stored and removed and acks being
 * confirmed: a request and the server's answer to it. What it writes down may be late, never early.
 */
export class LetterTap {
  readonly letters: SeenLetter[] = [];
  readonly removed: { readonly position: number; readonly at: Ms }[] = [];
  readonly acked: Settled[] = [];
  readonly #open = new Map<string, Open>();
  readonly #early = new Map<string, Msg>();

  private constructor(
    readonly nats: NatsConnection,
    private readonly topic: string,
  ) {}

  /** Without `acks` it costs next to nothing beside a large load. */
  static async open(url: string, topic: string, acks: boolean): Promise<LetterTap> {
    const nats = await connect({ servers: url });
    const tap = new LetterTap(nats, topic);
    tap.#listen(acks);
    await nats.flush();
    return tap;
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

  #listen(acks: boolean): void {
    const stream = `${this.topic}_parked`;
    this.#expect(`${stream}.${PARKING_GROUP}.>`, (message) => {
      const { subject, headers } = message;
      if (subject.includes('.skipped.')) return undefined;
      const note = headers?.get(LETTER_HEADER) ?? '';
      return (answer) => {
        const { seq, error } = answer.json<{ seq?: number; error?: object }>();
        if (seq !== undefined && error === undefined) this.letters.push(seen({ subject, note }, seq));
      };
    });
    this.#expect(`$JS.API.STREAM.MSG.DELETE.${stream}`, (message) => {
      const { seq: position } = message.json<{ seq: number }>();
      return (answer) => {
        if (answer.json<{ success?: boolean }>().success === true) this.removed.push({ position, at: now() });
      };
    });
    const heard = new HeardAcks({
      isLone: true,
      confirmed: (seq) => void this.acked.push({ seq, at: now() }),
    });
    if (acks) {
      this.nats.subscribe(`$JS.ACK.${this.topic}.>`, { callback: (_error, message) => heard.acked(message) });
    }
    // Inboxes of three tokens only: an ear on those of pulls would keep the pulls of dead processes alive.
    this.nats.subscribe('_INBOX.*.*', {
      callback: (_error, answer) => {
        if (acks) heard.answered(answer);
        // A confirmation of an ack is empty; with headers and no body it is "no responders".
        if (answer.headers !== undefined || answer.data.length === 0) return;
        const open = this.#open.get(answer.subject);
        if (open === undefined) this.#keep(answer);
        else open(answer);
        this.#open.delete(answer.subject);
      },
    });
  }

  #expect(subject: string, begin: (message: Msg) => Open | undefined): void {
    this.nats.subscribe(subject, {
      callback: (_error, message) => {
        const open = message.reply === undefined ? undefined : begin(message);
        if (open === undefined || message.reply === undefined) return;
        const early = this.#early.get(message.reply);
        if (early === undefined) this.#open.set(message.reply, open);
        else open(early);
      },
    });
  }

  /** The server may tell us the answer before the request. */
  #keep(answer: Msg): void {
    this.#early.set(answer.subject, answer);
    if (this.#early.size <= MAX_EARLY) return;
    for (const [oldest] of this.#early) {
      this.#early.delete(oldest);
      return;
    }
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
