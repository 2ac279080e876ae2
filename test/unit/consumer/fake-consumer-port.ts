import { Delivery } from '#library/message/delivery.js';
import { subjectOf } from '#library/message/subject.js';
import type { ConsumerPort, ConsumerState, Feed, FeedListener, StreamState } from '#library/message/reader-port.js';
import type { Log } from '#library/log.js';

/** A state of the server's consumer; what a test does not name is zero. */
export function stateOf(given: Partial<ConsumerState> = {}): ConsumerState {
  return {
    ackFloor: 0,
    delivered: 0,
    deliveredConsumerSequence: 0,
    ackPending: 0,
    waitingPulls: 0,
    pending: 0,
    ...given,
  };
}

/** Answers as over a network: in a later turn of the event loop. */
function later<T>(value: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(value());
      } catch (error) {
        reject(error);
      }
    });
  });
}

/** A consumer on the server that records what it is asked, in order, and does what the test says. */
export class FakeConsumerPort implements ConsumerPort {
  connected = true;
  serverId: string | undefined;
  readonly calls: string[] = [];
  readonly pulls: { events: number; expiresMs: number; idleHeartbeatMs: number }[] = [];
  /** Answers of `state()`, one after the other; the last one stays. */
  states: ConsumerState[] = [stateOf()];
  /** Overrides `states`. */
  stateResult: (() => ConsumerState) | undefined;
  onBarrier: () => void = () => undefined;
  generation = 0;
  listener: FeedListener | undefined;

  state(): Promise<ConsumerState> {
    this.calls.push('state');
    return later(() => {
      if (this.stateResult !== undefined) return this.stateResult();
      return (this.states.length > 1 ? this.states.shift() : this.states[0])!;
    });
  }

  find(): Promise<ConsumerState | undefined> {
    return this.state();
  }

  stream(): Promise<StreamState> {
    this.calls.push('stream');
    return later(() => ({ created: '2026-01-01T00:00:00Z', firstSequence: 1, lastSequence: 1_000_000 }));
  }

  create(fromSequence: number): Promise<void> {
    this.calls.push(`create from ${fromSequence}`);
    return later(() => undefined);
  }

  use(generation: number): void {
    this.generation = generation;
  }

  remove(generation: number): Promise<void> {
    this.calls.push(`remove ${generation}`);
    return later(() => undefined);
  }

  open(listener: FeedListener): Feed {
    this.calls.push('open');
    this.listener = listener;
    return {
      pull: (request) => {
        this.calls.push(`pull ${request.events}`);
        this.pulls.push(request);
      },
      close: () => {
        this.calls.push('close');
        if (this.listener === listener) this.listener = undefined;
      },
    };
  }

  ack(event: { readonly sequence: number }): void {
    this.calls.push(`ack ${event.sequence}`);
  }

  nak(sequence: number): void {
    this.calls.push(`nak ${sequence}`);
  }

  barrier(): Promise<void> {
    this.calls.push('barrier');
    return later(() => {
      this.onBarrier();
    });
  }

  expireAll(): Promise<void> {
    this.calls.push('expire all');
    return later(() => undefined);
  }

  close(): void {
    this.calls.push('close port');
  }
}

export interface DeliveryFields {
  readonly sequence: number;
  readonly consumerSequence?: number;
  readonly token?: string;
  readonly body?: Uint8Array;
}

export function deliveryOf({ sequence, consumerSequence, token = 'a', body }: DeliveryFields): Delivery {
  return new Delivery({
    subject: subjectOf('orders', token),
    token,
    ackSubject: `ack.${sequence}`,
    sequence,
    consumerSequence: consumerSequence ?? sequence,
    deliveryCount: 1,
    body: body ?? new Uint8Array(10),
    readHeaders: () => ({}),
  });
}

export interface RecordedLog extends Log {
  readonly lines: string[];
}

export function recordedLog(): RecordedLog {
  const lines: string[] = [];
  return {
    lines,
    info: (text) => void lines.push(`info ${text}`),
    warn: (text) => void lines.push(`warn ${text}`),
    error: (text) => void lines.push(`error ${text}`),
  };
}
