import type { Clock } from '../../clock.js';
import { HEADER, parseHeaders } from '../../message/headers.js';
import type { OutgoingEvent } from '../../message/outgoing/outgoing-event.js';
import type { StreamState } from '../../message/reader-port.js';
import type { StoredMessage } from '../../message/stored-event.js';
import type { ServerAnswer } from '../../publisher/server-answer.js';

export interface MemoryMessage extends StoredMessage {
  readonly subject: string;
  /** When it was stored, in nanoseconds since 1970. No two messages have the same time. */
  readonly storedAtNs: string;
}

export interface StreamWatcher {
  /** A message was stored. */
  stored?(): void;
  /** The stream was made again or restored: its readers are gone. */
  replaced?(): void;
}

const NS_PER_MS = 1_000_000;

/**
 * A topic's stream in memory: gives sequences, knows the ids of its duplicate window and the last sequence of each
 * subject, as a nats-server does. It has no retention; a test drops messages itself.
 */
export class MemoryStream {
  #created: string;
  #messages: MemoryMessage[] = [];
  #lastSequence = 0;
  #isRestored = false;
  #stamps = 0;
  readonly #ids = new Map<string, { readonly sequence: number; readonly at: number }>();
  readonly #lastOf = new Map<string, number>();
  readonly #purged = new Set<number>();
  readonly #watchers = new Set<StreamWatcher>();

  constructor(
    private readonly clock: Clock,
    private readonly duplicateWindowMs: number,
  ) {
    this.#created = this.#stamp().iso;
  }

  /** When the stream was made, to the nanosecond: a stream that is made again has another time. */
  get created(): string {
    return this.#created;
  }

  /** What the stream holds, in order of sequence. Deleted messages leave holes. */
  get messages(): readonly MemoryMessage[] {
    return this.#messages;
  }

  /** The first sequence it holds; one past the last if it is empty. */
  get firstSequence(): number {
    return this.#messages[0]?.sequence ?? this.#lastSequence + 1;
  }

  /** The last sequence it gave, whether it still holds that message or not. */
  get lastSequence(): number {
    return this.#lastSequence;
  }

  get state(): StreamState {
    const { created, firstSequence, lastSequence } = this;
    return { created, firstSequence, lastSequence, isRestored: this.#isRestored };
  }

  append({ subject, messageId, headers, body, expectedSequence }: OutgoingEvent): ServerAnswer {
    const now = this.clock.now();
    const known = this.#ids.get(messageId);
    if (known !== undefined && now - known.at < this.duplicateWindowMs) {
      return { kind: 'stored', sequence: known.sequence, duplicate: true };
    }
    const last = this.lastSequenceOf(subject);
    if (expectedSequence !== undefined && expectedSequence !== last) {
      return {
        kind: 'refused',
        errorCode: 10071,
        description: `wrong last sequence: ${last}`,
        wrongSequence: true,
      };
    }
    const sequence = ++this.#lastSequence;
    const { ns, iso } = this.#stamp();
    this.#messages.push({
      sequence,
      subject,
      storedAt: iso,
      storedAtNs: ns,
      headers: parseHeaders(Buffer.from(headers).toString('utf8')),
      body,
    });
    this.#ids.set(messageId, { sequence, at: now });
    this.#lastOf.set(subject, sequence);
    for (const watcher of this.#watchers) watcher.stored?.();
    return { kind: 'stored', sequence, duplicate: false };
  }

  /** Of the last message of the subject that the stream holds; 0 if there is none. */
  lastSequenceOf(subject: string): number {
    return this.#lastOf.get(subject) ?? 0;
  }

  /** It gave this sequence, and holds no message there any more. */
  hasDropped(sequence: number): boolean {
    return sequence > 0 && sequence <= this.#lastSequence && this.find(sequence) === undefined;
  }

  find(sequence: number): MemoryMessage | undefined {
    const found = this.#messages[this.#indexFrom(sequence)];
    return found?.sequence === sequence ? found : undefined;
  }

  next(fromSequence: number, matches: (subject: string) => boolean): MemoryMessage | undefined {
    for (let index = this.#indexFrom(fromSequence); index < this.#messages.length; index++) {
      const message = this.#messages[index];
      if (message !== undefined && matches(message.subject)) return message;
    }
    return undefined;
  }

  /** The last sequence of a message that was stored before `time`; 0 if there is none. */
  lastBefore(time: Date): number {
    const before = this.#messages.filter(({ storedAt }) => Date.parse(storedAt) < time.getTime());
    return before.at(-1)?.sequence ?? 0;
  }

  /** Deletes messages, as an operator or a retention limit does. Readers skip the holes. */
  delete(...sequences: readonly number[]): void {
    const deleted = new Set(sequences);
    this.#keep(({ sequence }) => !deleted.has(sequence));
  }

  /** Notes that these are about to be deleted on purpose, so that no group counts them as lost. */
  notePurged(sequences: readonly number[]): void {
    for (const sequence of sequences) this.#purged.add(sequence);
  }

  /** How many between two sequences, both excluded, were deleted on purpose. */
  countPurged(after: number, before: number): number {
    return [...this.#purged].filter((sequence) => sequence > after && sequence < before).length;
  }

  /** Deletes all messages up to this sequence. The last sequence of the stream stays. */
  purge(through: number): void {
    this.#keep(({ sequence }) => sequence > through);
  }

  /** Deletes the stream and makes an empty one of the same name. */
  remake(): void {
    this.#ids.clear();
    this.#purged.clear();
    this.#lastSequence = 0;
    this.#keep(() => false);
    this.#isRestored = false;
    this.#created = this.#stamp().iso;
    for (const watcher of this.#watchers) watcher.replaced?.();
  }

  /**
   * Restores the state in which `lastSequence` was the last one. Later sequences are given again. `asNew`: under a new
   * time of creation, as nats-server 2.15 does.
   */
  restore(lastSequence: number, { asNew = false }: { readonly asNew?: boolean } = {}): void {
    if (asNew) this.#created = this.#stamp().iso;
    this.#isRestored = asNew;
    this.#lastSequence = Math.min(lastSequence, this.#lastSequence);
    for (const [id, { sequence }] of this.#ids) if (sequence > lastSequence) this.#ids.delete(id);
    this.#keep(({ sequence }) => sequence <= lastSequence);
    for (const watcher of this.#watchers) watcher.replaced?.();
  }

  /** Returns the end of watching. */
  watch(watcher: StreamWatcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  async *messagesOf(subject: string, fromSequence: number): AsyncGenerator<StoredMessage, void> {
    for (let from = fromSequence; ;) {
      await Promise.resolve();
      const found = this.next(from, (other) => other === subject);
      if (found === undefined) return;
      yield found;
      from = found.sequence + 1;
    }
  }

  /** The subject's last message. */
  lastOf(subject: string): Promise<StoredMessage | undefined> {
    return Promise.resolve(this.next(this.lastSequenceOf(subject), (other) => other === subject));
  }

  /** Looks for an event at the first message of its subject after `afterSequence`, or at the last one. */
  findStored(subject: string, messageId: string, afterSequence: number | undefined): number | undefined {
    const from = afterSequence === undefined ? this.lastSequenceOf(subject) : afterSequence + 1;
    const found = this.next(from, (other) => other === subject);
    return found?.headers[HEADER.messageId] === messageId ? found.sequence : undefined;
  }

  #keep(isKept: (message: MemoryMessage) => boolean): void {
    this.#messages = this.#messages.filter(isKept);
    this.#lastOf.clear();
    for (const { subject, sequence } of this.#messages) this.#lastOf.set(subject, sequence);
  }

  /** The index of the first message at or after a sequence. */
  #indexFrom(sequence: number): number {
    let [low, high] = [0, this.#messages.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#messages[middle]?.sequence ?? 0) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** A time that no other has, even on a clock that stands still. */
  #stamp(): { readonly ns: string; readonly iso: string } {
    const ms = Math.floor(this.clock.wallNow());
    const nsOfMs = String(this.#stamps++ % NS_PER_MS).padStart(6, '0');
    return { ns: `${ms}${nsOfMs}`, iso: `${new Date(ms).toISOString().slice(0, -1)}${nsOfMs}Z` };
  }
}
