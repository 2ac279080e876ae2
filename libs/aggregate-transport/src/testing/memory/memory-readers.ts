import type { Clock } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import type {
  FeedListener,
  ReaderConnectionListener,
  ReaderPort,
  ReaderRequest,
} from '../../message/reader-port.js';
import { tokenOfSubject } from '../../message/subject.js';
import { deliveryOf, MemoryReader } from './memory-reader.js';
import type { MemoryStream } from './memory-stream.js';
import { type ReaderCall, ReaderFaults } from './reader-faults.js';

export interface MemoryReadersOptions {
  readonly stream: MemoryStream;
  /** What the subjects of the partition begin with. */
  readonly prefix: string;
  readonly clock: Clock;
  /** A request, an answer or an event has arrived. */
  readonly moved: () => void;
}

/** One process's connection, as far as the readers of one partition use it. */
interface ReaderConnection {
  readonly listener: ReaderConnectionListener;
  readonly readers: Set<MemoryReader>;
  isConnected: boolean;
}

/** The readers of one partition, of all processes. */
export class MemoryReaders {
  readonly faults = new ReaderFaults();
  readonly #connections = new Set<ReaderConnection>();
  readonly #names: string[] = [];

  constructor(private readonly options: MemoryReadersOptions) {}

  /** The names of all readers ever made, in order. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** The readers that their processes have not closed. */
  get open(): readonly MemoryReader[] {
    return [...this.#connections].flatMap(({ readers }) => [...readers]);
  }

  connect(listener: ReaderConnectionListener): ReaderPort {
    const connection: ReaderConnection = { listener, readers: new Set(), isConnected: true };
    const { stream, clock } = this.options;
    this.#connections.add(connection);
    return {
      get connected() {
        return connection.isConnected;
      },
      open: (request, feed) =>
        this.#request(connection, 'open', () => {
          const reader = this.#make(request, feed);
          connection.readers.add(reader);
          return {
            pull: (pull) =>
              clock.nextTurn(() => {
                if (connection.isConnected) reader.pull(pull);
              }),
            findEdit: () => this.#request(connection, 'info', () => reader.edit),
            close: () => {
              reader.close();
              connection.readers.delete(reader);
            },
          };
        }),
      stream: () => this.#request(connection, 'stream', () => stream.state),
      find: (sequence) =>
        this.#request(connection, 'find', () => {
          const found = stream.find(sequence);
          return found && deliveryOf(found, 0);
        }),
      next: (token, fromSequence) =>
        this.#request(connection, 'find', () => {
          const found = stream.next(fromSequence, (subject) => tokenOfSubject(subject) === token);
          return found && deliveryOf(found, 0);
        }),
      countPurged: (after, before) => stream.countPurged(after, before),
      close: () => {
        for (const reader of connection.readers) reader.close();
        this.#connections.delete(connection);
      },
    };
  }

  /** The server deletes all readers. */
  deleteAll(): void {
    for (const reader of this.open) reader.delete();
  }

  /** All readers fall silent. Readers that are made later are not affected. */
  silenceAll(): void {
    for (const reader of this.open) reader.silence();
  }

  /** All readers begin again at their start and at consumer sequence 1. */
  restartAll(): void {
    for (const reader of this.open) reader.restart();
  }

  /** Cuts the connections of all processes. Until {@link reconnect} their requests are not answered. */
  disconnect(): void {
    for (const connection of this.#connections) {
      if (!connection.isConnected) continue;
      connection.isConnected = false;
      for (const reader of connection.readers) reader.dropPulls();
      connection.listener.disconnected();
    }
  }

  reconnect(): void {
    for (const connection of this.#connections) {
      if (connection.isConnected) continue;
      connection.isConnected = true;
      connection.listener.reconnected();
    }
  }

  #make({ name, fromSequence }: ReaderRequest, feed: FeedListener): MemoryReader {
    if (this.#names.includes(name)) {
      throw new AggregateTransportError(
        'JETSTREAM_REQUEST_FAILED',
        `expected a reader name that was never used, found "${name}" again`,
      );
    }
    this.#names.push(name);
    const { faults, options } = this;
    return new MemoryReader({ ...options, name, faults, start: faults.takeStart(fromSequence) }, feed);
  }

  /** Carries out a request in a later turn and answers it in another, as over a network. */
  #request<T>(connection: ReaderConnection, call: ReaderCall, carryOut: () => T): Promise<T> {
    const { clock, moved } = this.options;
    const isDropped = this.faults.takeFailure(call);
    return new Promise<T>((resolve, reject) =>
      clock.nextTurn(() => {
        moved();
        if (!connection.isConnected) {
          reject(unanswered(call));
          return;
        }
        let answer: T;
        try {
          answer = carryOut();
        } catch (error) {
          reject(error instanceof Error ? error : unanswered(call));
          return;
        }
        clock.nextTurn(() => {
          moved();
          if (isDropped || !connection.isConnected) reject(unanswered(call));
          else resolve(answer);
        });
      }),
    );
  }
}

function unanswered(call: ReaderCall): AggregateTransportError {
  return new AggregateTransportError(
    'JETSTREAM_REQUEST_FAILED',
    `expected an answer to "${call}" from a stream in memory, found none`,
  );
}
