import type { Clock, Timer } from '../../clock.js';
import { Delivery } from '../../message/delivery.js';
import type { ConsumerListener, ConsumerPort, ConsumerState, Feed, FeedListener } from '../../message/reader-port.js';
import type { PartitionOnServer } from '../../records/group-on-server.js';
import { tokenOfSubject } from '../../message/subject.js';
import type { MemoryMessage, MemoryStream } from './memory-stream.js';

interface Pull {
  readonly feed: FeedListener;
  left: number;
  readonly timers: Timer[];
}

export interface MemoryConsumerOptions {
  /** What the subjects of its events begin with. */
  readonly prefix: string;
  readonly startSequence: number;
  readonly maxAckPending: number;
  /** Something was delivered or acked. */
  readonly moved: () => void;
}

/**
 * A partition's durable consumer in memory: delivers what has its prefix in stream order, remembers what is
 * not acked, and delivers that again when asked. As on a server, what is asked for again comes before what is
 * new. Not here: the ack wait, because nothing in the library waits for it.
 */
export class MemoryConsumer {
  readonly #unacked = new Map<number, { deliveries: number }>();
  readonly #again: number[] = [];
  #pulls: Pull[] = [];
  #delivered: number;
  #consumerSequence = 0;

  constructor(
    private readonly stream: MemoryStream,
    private readonly clock: Clock,
    private readonly options: MemoryConsumerOptions,
  ) {
    this.#delivered = options.startSequence - 1;
    stream.watch(() => clock.nextTurn(() => this.#deliver()));
  }

  connect(listener: ConsumerListener): ConsumerPort {
    const later = <T>(value: () => T): Promise<T> =>
      new Promise((resolve) => this.clock.nextTurn(() => resolve(value())));
    let isOpen = true;
    return {
      connected: true,
      serverId: 'memory',
      // There is one consumer for good, so no generation of it follows another.
      use: () => undefined,
      remove: () => later(() => undefined),
      find: () => later(() => this.#state()),
      state: () => later(() => this.#state()),
      stream: () =>
        later(() => ({
          created: this.stream.created,
          firstSequence: 1,
          lastSequence: this.stream.messages.length,
        })),
      create: () => later(() => undefined),
      open: (feed) => this.#open(feed),
      ack: ({ sequence }, number) =>
        this.clock.nextTurn(() => {
          this.#unacked.delete(sequence);
          this.options.moved();
          if (number !== undefined) this.clock.nextTurn(() => isOpen && listener.ackConfirmed(number));
          this.#deliver();
        }),
      nak: (sequence) => this.clock.nextTurn(() => this.#askAgain(sequence)),
      barrier: () => later(() => undefined),
      expireAll: () =>
        later(() => {
          for (const sequence of this.#unacked.keys()) this.#askAgain(sequence);
        }),
      close: () => {
        isOpen = false;
      },
    };
  }

  /** What a server would say of it to somebody who only looks. */
  look(): Omit<PartitionOnServer, 'partition' | 'lease'> {
    const { ackFloor, delivered, ackPending: unsettled } = this.#state();
    const { prefix } = this.options;
    const mine = this.stream.messages.filter(({ subject }) => subject.startsWith(prefix));
    const pending = mine.filter(({ sequence }) => sequence > delivered).length;
    const behind = unsettled > 0 ? ackFloor : delivered;
    const oldest = mine.find(({ sequence }) => sequence > behind);
    return {
      consumer: { delivered, pending, unsettled },
      oldestStoredAt: oldest === undefined ? undefined : Date.parse(oldest.storedAt),
    };
  }

  #state(): ConsumerState {
    return {
      ackFloor: Math.min(this.#delivered, ...[...this.#unacked.keys()].map((sequence) => sequence - 1)),
      delivered: this.#delivered,
      deliveredConsumerSequence: this.#consumerSequence,
      ackPending: this.#unacked.size,
      waitingPulls: this.#pulls.length,
      pending: this.stream.messages.length - this.#delivered,
    };
  }

  #askAgain(sequence: number): void {
    if (!this.#unacked.has(sequence) || this.#again.includes(sequence)) return;
    this.#again.push(sequence);
    this.#deliver();
  }

  #open(feed: FeedListener): Feed {
    const mine = (pull: Pull): boolean => pull.feed === feed;
    return {
      pull: ({ events, expiresMs, idleHeartbeatMs }) => {
        const pull: Pull = { feed, left: events, timers: [] };
        this.#pulls.push(pull);
        pull.timers.push(this.clock.after(expiresMs, () => this.#end(pull, true)));
        this.#beat(pull, idleHeartbeatMs);
        this.clock.nextTurn(() => this.#deliver());
      },
      close: () => {
        for (const pull of this.#pulls.filter(mine)) this.#end(pull, false);
      },
    };
  }

  #beat(pull: Pull, everyMs: number): void {
    pull.timers[1] = this.clock.after(everyMs, () => {
      pull.feed.idle(this.#consumerSequence);
      if (this.#pulls.includes(pull)) this.#beat(pull, everyMs);
    });
  }

  #end(pull: Pull, tell: boolean): void {
    if (!this.#pulls.includes(pull)) return;
    this.#pulls = this.#pulls.filter((other) => other !== pull);
    for (const timer of pull.timers) timer.cancel();
    if (tell) pull.feed.pullEnded(pull.left);
  }

  #deliver(): void {
    for (;;) {
      const pull = this.#pulls[0];
      const message = pull === undefined ? undefined : this.#next();
      if (pull === undefined || message === undefined) return;
      const { sequence } = message;
      const unacked = this.#unacked.get(sequence) ?? { deliveries: 0 };
      unacked.deliveries++;
      this.#unacked.set(sequence, unacked);
      this.#delivered = Math.max(this.#delivered, sequence);
      pull.left--;
      this.options.moved();
      pull.feed.delivered(
        new Delivery({
          subject: message.subject,
          token: tokenOfSubject(message.subject),
          ackSubject: '',
          sequence,
          consumerSequence: ++this.#consumerSequence,
          deliveryCount: unacked.deliveries,
          body: message.body,
          readHeaders: () => message.headers,
        }),
      );
      if (pull.left === 0) this.#end(pull, false);
    }
  }

  #next(): MemoryMessage | undefined {
    for (let sequence = this.#again.shift(); sequence !== undefined; sequence = this.#again.shift()) {
      const message = this.#unacked.has(sequence) ? this.stream.messages[sequence - 1] : undefined;
      if (message !== undefined) return message;
    }
    if (this.#unacked.size >= this.options.maxAckPending) return undefined;
    const { prefix } = this.options;
    return this.stream.next(this.#delivered + 1, (subject) => subject.startsWith(prefix));
  }
}
