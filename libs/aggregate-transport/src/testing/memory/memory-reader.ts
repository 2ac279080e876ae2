import type { Clock, Timer } from '../../clock.js';
import { Delivery } from '../../message/delivery.js';
import type { Feed, FeedListener } from '../../message/reader-port.js';
import { tokenOfSubject } from '../../message/subject.js';
import type { MemoryMessage, MemoryStream } from './memory-stream.js';
import type { ReaderFaults } from './reader-faults.js';

type PullRequest = Parameters<Feed['pull']>[0];

interface Pull {
  left: number;
  readonly heartbeatMs: number;
  readonly expiry: Timer;
  heartbeat: Timer | undefined;
}

/**
 * - `live`: delivers what is pulled.
 * - `silent`: delivers nothing, and its listener hears nothing. Left by {@link MemoryReader.close} only.
 * - `gone`: the server has deleted it, and each pull is answered with 503.
 * - `closed`: its listener has ended it.
 */
export type MemoryReaderMode = 'live' | 'silent' | 'gone' | 'closed';

export interface MemoryReaderOptions {
  readonly name: string;
  /** The first sequence that it looks at. */
  readonly start: number;
  /** What the subjects of its partition begin with. */
  readonly prefix: string;
  readonly stream: MemoryStream;
  readonly faults: ReaderFaults;
  readonly clock: Clock;
  /** An event was delivered, or a pull has arrived. */
  readonly moved: () => void;
}

/** A server deletes a reader that has no pull for this long. */
const INACTIVE_MS = 10_000;

/**
 * One reader on the server: delivers the events of its prefix in stream order, each once, numbered 1, 2, 3, ….
 */
export class MemoryReader {
  #mode: MemoryReaderMode = 'live';
  #pulls: Pull[] = [];
  #consumerSequence = 0;
  /** The last sequence of the stream that it has looked at. */
  #through: number;
  #inactivity: Timer;
  #isScheduled = false;
  #narrowed: string | undefined;
  readonly #stopWatching: () => void;

  constructor(
    private readonly options: MemoryReaderOptions,
    private readonly listener: FeedListener,
  ) {
    this.#through = options.start - 1;
    this.#inactivity = this.#deleteWhenInactive();
    this.#stopWatching = options.stream.watch({
      stored: () => this.#deliverSoon(),
      replaced: () => this.delete('Stream Deleted'),
    });
  }

  get name(): string {
    return this.options.name;
  }

  get mode(): MemoryReaderMode {
    return this.#mode;
  }

  /** Pulls that are open at the server. */
  get openPulls(): number {
    return this.#pulls.length;
  }

  /** A pull has arrived. */
  pull({ events, expiresMs, idleHeartbeatMs }: PullRequest): void {
    const { clock, moved } = this.options;
    moved();
    if (this.#mode === 'gone') this.#tell(() => this.listener.unheard());
    if (this.#mode !== 'live') return;
    this.#inactivity.cancel();
    const pull: Pull = {
      left: events,
      heartbeatMs: idleHeartbeatMs,
      expiry: clock.after(expiresMs, () => this.#expire(pull)),
      heartbeat: undefined,
    };
    this.#pulls.push(pull);
    this.#beat(pull);
    this.#deliver();
  }

  close(): void {
    this.#end('closed');
  }

  /** The server deletes the reader, and ends its open pulls. */
  delete(reason = 'Consumer Deleted'): void {
    if (this.#mode === 'closed' || this.#mode === 'gone') return;
    const isHeard = this.#mode === 'live' && this.#pulls.length > 0;
    this.#end('gone');
    if (isHeard) this.#tell(() => this.listener.lost(`the server ended the pull: 409 ${reason}`));
  }

  /** From here on the reader delivers nothing, without a word. */
  silence(): void {
    if (this.#mode !== 'live') return;
    this.dropPulls();
    this.#end('silent');
  }

  /** An operator narrows the filter of the reader: it passes over all other subjects. */
  narrow(prefix: string): void {
    this.#narrowed = prefix;
  }

  /** What the server says of an edit. */
  get edit(): string | undefined {
    const { prefix } = this.options;
    return this.#narrowed && `expected filter_subject ${prefix}>, found ${this.#narrowed}>`;
  }

  /** Begins again at its start and at consumer sequence 1, as a memory consumer does when its node is back. */
  restart(): void {
    this.#consumerSequence = 0;
    this.#through = this.options.start - 1;
    this.#deliverSoon();
  }

  /** The server forgets the open pulls without a word, as it does when the connection is cut. */
  dropPulls(): void {
    for (const pull of this.#pulls) cancel(pull);
    this.#pulls = [];
  }

  #deliverSoon(): void {
    if (this.#isScheduled || this.#pulls.length === 0) return;
    this.#isScheduled = true;
    this.options.clock.nextTurn(() => {
      this.#isScheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    for (;;) {
      // Read again for each event: a listener may close the reader while it takes one in.
      const pull = this.#mode === 'live' ? this.#pulls[0] : undefined;
      const message = pull === undefined ? undefined : this.#next();
      if (pull === undefined || message === undefined) return;
      this.#consumerSequence++;
      if (--pull.left === 0) this.#finish(pull);
      else this.#beat(pull);
      this.options.moved();
      if (!this.options.faults.takeLoss())
        this.listener.delivered(deliveryOf(message, this.#consumerSequence));
    }
  }

  #next(): MemoryMessage | undefined {
    const { stream, prefix, faults } = this.options;
    const filter = this.#narrowed ?? prefix;
    for (;;) {
      const found = stream.next(this.#through + 1, (subject) => subject.startsWith(filter));
      this.#through = found?.sequence ?? Math.max(this.#through, stream.lastSequence);
      if (found === undefined || !faults.skips(found.sequence)) return found;
    }
  }

  #beat(pull: Pull): void {
    pull.heartbeat?.cancel();
    pull.heartbeat = this.options.clock.after(pull.heartbeatMs, () => {
      this.listener.idle(this.#consumerSequence, this.#through);
      if (this.#pulls.includes(pull)) this.#beat(pull);
    });
  }

  #expire(pull: Pull): void {
    this.#finish(pull);
    this.listener.pullEnded(pull.left);
  }

  #finish(pull: Pull): void {
    cancel(pull);
    this.#pulls = this.#pulls.filter((other) => other !== pull);
    if (this.#pulls.length > 0) return;
    this.#inactivity.cancel();
    this.#inactivity = this.#deleteWhenInactive();
  }

  #deleteWhenInactive(): Timer {
    return this.options.clock.after(INACTIVE_MS, () => this.delete());
  }

  #end(mode: Exclude<MemoryReaderMode, 'live'>): void {
    this.#mode = mode;
    this.dropPulls();
    this.#inactivity.cancel();
    this.#stopWatching();
  }

  /** The listener hears it in a later turn, unless it has closed the reader. */
  #tell(call: () => void): void {
    this.options.clock.nextTurn(() => {
      this.options.moved();
      if (this.#mode !== 'closed') call();
    });
  }
}

function cancel({ expiry, heartbeat }: Pull): void {
  expiry.cancel();
  heartbeat?.cancel();
}

/** A message as a reader delivers it; with consumer sequence 0 as it is read singly. */
export function deliveryOf(message: MemoryMessage, consumerSequence: number): Delivery {
  const { subject, sequence, body, headers, storedAtNs } = message;
  return new Delivery({
    subject,
    token: tokenOfSubject(subject),
    sequence,
    consumerSequence,
    body,
    readHeaders: () => headers,
    readStoredAt: () => storedAtNs,
  });
}
