import { type Clock, systemClock } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import type { KeyPort, StoredValue } from '../../records/key-port.js';
import { type HeldWrite, KeyFaults } from './key-faults.js';

export interface MemoryKeyOptions {
  readonly clock: Clock;
  /** A request or an answer has arrived. */
  readonly moved: () => void;
}

interface KeyWrite<T> {
  readonly value: T;
  readonly revision: number;
}

const DEFAULT_MAX_BYTES = 1_048_576;
/** As long as a process waits for an answer over a network. */
const ANSWER_TIMEOUT_MS = 500;
const ALONE: MemoryKeyOptions = { clock: systemClock, moved: () => undefined };

/**
 * A key with compare-and-set in memory, shared by all processes that connect to it. Requests arrive in a later turn of
 * the event loop, and answers in another, as over a network. Values are copied both ways.
 */
export class MemoryKey<T> {
  readonly faults = new KeyFaults<T>();
  /** The largest value that the key takes. A test may change it, as a reconnect does. */
  maxBytes = DEFAULT_MAX_BYTES;
  #stored: StoredValue<T> = { value: undefined, revision: 0 };
  #writtenAt = 0;
  readonly #hints = new Set<(value: T | undefined) => void>();

  constructor(private readonly options: MemoryKeyOptions = ALONE) {}

  /** What the key holds at this moment, without a request. */
  get stored(): StoredValue<T> {
    return structuredClone(this.#stored);
  }

  /** When the key was last written, by the wall clock; 0 if it never was. */
  get writtenAt(): number {
    return this.#writtenAt;
  }

  /** Deletes the value and leaves a tombstone. Returns the tombstone's revision, which the next write must expect. */
  delete(): number {
    const revision = this.#stored.revision + 1;
    this.#stored = { value: undefined, revision };
    this.#announce(undefined);
    return revision;
  }

  /** Sets the key back to an earlier state, as a restored backup does. Without one the key was never written. */
  restore(earlier: StoredValue<T> = { value: undefined, revision: 0 }): void {
    this.#stored = structuredClone(earlier);
  }

  connect(): KeyPort<T> {
    const own = new Set<(value: T | undefined) => void>();
    const maxBytes = (): number => this.maxBytes;
    return {
      get maxBytes() {
        return maxBytes();
      },
      read: () => this.#read(),
      write: (value, revision) => this.#send({ value: structuredClone(value), revision }),
      onHint: (callback) => {
        own.add(callback);
        this.#hints.add(callback);
      },
      close: () => {
        for (const hint of own) this.#hints.delete(hint);
        own.clear();
      },
    };
  }

  #read(): Promise<StoredValue<T>> {
    const isFailed = this.faults.takeRead();
    return new Promise((resolve, reject) =>
      this.#inLaterTurn(() => {
        const answer = this.stored;
        this.#inLaterTurn(() => {
          if (isFailed) reject(unanswered('read'));
          else resolve(answer);
        });
      }),
    );
  }

  #send(write: KeyWrite<T>): Promise<number | undefined> {
    const bytes = Buffer.byteLength(JSON.stringify(write.value));
    if (bytes > this.maxBytes) return Promise.reject(tooLarge(bytes, this.maxBytes));
    const fault = this.faults.takeWrite(write.value);
    return new Promise((resolve, reject) =>
      this.#inLaterTurn(() => {
        if (fault === 'hold') {
          this.#hold(write, resolve, reject);
          return;
        }
        const answer = this.#write(write);
        this.#inLaterTurn(() => {
          if (fault === 'drop answer') reject(unanswered('write'));
          else resolve(answer);
        });
      }),
    );
  }

  #hold(
    write: KeyWrite<T>,
    answered: (revision: number | undefined) => void,
    gaveUp: (error: AggregateTransportError) => void,
  ): void {
    const timer = this.options.clock.after(ANSWER_TIMEOUT_MS, () => gaveUp(unanswered('write')));
    const held: HeldWrite<T> = {
      ...write,
      arrive: () => {
        timer.cancel();
        this.faults.release(held);
        const answer = this.#write(write);
        this.#inLaterTurn(() => answered(answer));
        return answer;
      },
    };
    this.faults.hold(held);
  }

  #write({ value, revision }: KeyWrite<T>): number | undefined {
    // A server announces a write to its listeners before it compares revisions.
    this.#announce(value);
    if (revision !== this.#stored.revision) return undefined;
    this.#stored = { value: structuredClone(value), revision: revision + 1 };
    this.#writtenAt = this.options.clock.wallNow();
    return this.#stored.revision;
  }

  #announce(value: T | undefined): void {
    for (const hint of this.#hints) {
      this.#inLaterTurn(() => {
        if (this.#hints.has(hint)) hint(structuredClone(value));
      });
    }
  }

  #inLaterTurn(callback: () => void): void {
    this.options.clock.nextTurn(() => {
      this.options.moved();
      callback();
    });
  }
}

function unanswered(request: 'read' | 'write'): AggregateTransportError {
  return new AggregateTransportError(
    'JETSTREAM_REQUEST_FAILED',
    `expected an answer to a ${request} of a key in memory, found none`,
  );
}

function tooLarge(found: number, most: number): AggregateTransportError {
  return new AggregateTransportError(
    'JETSTREAM_REQUEST_FAILED',
    `expected a value of at most ${most} bytes, found ${found}; it was not sent`,
  );
}
