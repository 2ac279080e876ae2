import type { Delivery } from '#library/message/delivery.js';
import type {
  Feed,
  FeedListener,
  ReaderPort,
  ReaderRequest,
  StreamState,
} from '#library/message/reader-port.js';
import { AggregateTransportError } from '#library/errors.js';
import { CREATED, deliveryOf } from '../position/position-fixture.js';

type PullRequest = Parameters<Feed['pull']>[0];

/** A reader on a server that does what the test says. */
export class FakeFeed implements Feed {
  readonly pulls: PullRequest[] = [];
  isClosed = false;
  /** What the server says when it is asked. */
  onFindEdit: () => Promise<string | undefined> = () => Promise.resolve(undefined);
  #delivered = 0;

  constructor(
    readonly request: ReaderRequest,
    readonly listener: FeedListener,
  ) {}

  pull(request: PullRequest): void {
    this.pulls.push(request);
  }

  findEdit(): Promise<string | undefined> {
    return this.onFindEdit();
  }

  close(): void {
    this.isClosed = true;
  }

  /** Delivers these sequences as its next deliveries. */
  deliver(...sequences: readonly number[]): void {
    for (const sequence of sequences) {
      this.#delivered++;
      if (!this.isClosed)
        this.listener.delivered(deliveryOf({ sequence, consumerSequence: this.#delivered }));
    }
  }

  /** Counts deliveries that never arrive. */
  lose(count = 1): void {
    this.#delivered += count;
  }

  beat(through = 0): void {
    if (!this.isClosed) this.listener.idle(this.#delivered, through);
  }
}

export function unanswered(): AggregateTransportError {
  return new AggregateTransportError('JETSTREAM_REQUEST_FAILED', 'expected an answer, found none');
}

/** A server that answers at once, or as the test says. */
export class FakeReaderPort implements ReaderPort {
  connected = true;
  readonly feeds: FakeFeed[] = [];
  readonly asked: number[] = [];
  state: StreamState = { created: CREATED, firstSequence: 1, lastSequence: 1_000, isRestored: false };
  /** What the stream does not hold. */
  readonly missing = new Set<number>();
  onOpen: (feed: FakeFeed) => Promise<void> = () => Promise.resolve();
  onFind: (sequence: number) => Promise<Delivery | undefined> = (sequence) =>
    Promise.resolve(this.missing.has(sequence) ? undefined : deliveryOf({ sequence }));
  onStream: () => Promise<StreamState> = () => Promise.resolve(this.state);

  get feed(): FakeFeed {
    const feed = this.feeds.at(-1);
    if (feed === undefined) throw new Error('expected a reader, found none');
    return feed;
  }

  async open(request: ReaderRequest, listener: FeedListener): Promise<Feed> {
    const feed = new FakeFeed(request, listener);
    this.feeds.push(feed);
    await this.onOpen(feed);
    return feed;
  }

  stream(): Promise<StreamState> {
    return this.onStream();
  }

  find(sequence: number): Promise<Delivery | undefined> {
    this.asked.push(sequence);
    return this.onFind(sequence);
  }

  next(): Promise<Delivery | undefined> {
    return Promise.resolve(undefined);
  }

  countPurged(): number {
    return 0;
  }

  close(): void {
    for (const feed of this.feeds) feed.close();
  }
}
