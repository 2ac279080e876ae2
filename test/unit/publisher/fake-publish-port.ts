import type { AggregateTransportError } from '#library/errors.js';
import { levelOf, type Log } from '#library/log.js';
import type { PublishReceipt } from '#library/message/event.js';
import type { OutgoingEvent } from '#library/message/outgoing/outgoing-event.js';
import type { ServerAnswer } from '#library/publisher/server-answer.js';
import type { PublishListener, PublishPort } from '#library/publisher/publish-port.js';
import { Sequencer } from '#library/publisher/sequencer.js';
import type { SequencerOptions } from '#library/publisher/sequencer-options.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

/** A port that records what is sent. The test gives the answers. */
class FakePublishPort implements PublishPort {
  connected = true;
  maxPayloadBytes = 1_048_576;
  closed = false;
  readonly sent: { id: number; event: OutgoingEvent; at: number }[] = [];
  readonly batches: {
    id: number;
    first: OutgoingEvent;
    rest: readonly OutgoingEvent[];
    ids: string[];
    isFull: boolean;
  }[] = [];
  readonly lookups: { messageId: string; afterSequence: number | undefined }[] = [];
  findStoredResult: () => Promise<number | undefined> = () => Promise.resolve(undefined);
  hasDroppedResult: () => Promise<boolean> = () => Promise.resolve(false);
  lastSequenceResult: () => Promise<number> = () => Promise.resolve(0);

  constructor(
    readonly listener: PublishListener,
    private readonly clock: ManualClock,
  ) {}

  send(id: number, event: OutgoingEvent): void {
    this.sent.push({ id, event, at: this.clock.now() });
  }

  openBatch(id: number, first: OutgoingEvent): void {
    this.batches.push({ id, first, rest: [], ids: [first.messageId], isFull: false });
  }

  storeBatch(id: number, rest: readonly OutgoingEvent[]): void {
    const batch = this.batches.find((opened) => opened.id === id);
    if (batch === undefined) throw new Error(`batch ${id} was never opened`);
    batch.rest = rest;
    batch.ids.push(...rest.map(({ messageId }) => messageId));
    batch.isFull = true;
  }

  lastSequence(): Promise<number> {
    return this.lastSequenceResult();
  }

  findStored(_subject: string, messageId: string, afterSequence?: number): Promise<number | undefined> {
    this.lookups.push({ messageId, afterSequence });
    return this.findStoredResult();
  }

  hasDropped(): Promise<boolean> {
    return this.hasDroppedResult();
  }

  close(): void {
    this.closed = true;
  }

  /** The message ids of the events sent alone, in order. */
  get sentIds(): string[] {
    return this.sent.map(({ event }) => event.messageId);
  }

  /** Answers the latest send of an event. */
  answer(messageId: string, answer: ServerAnswer): void {
    const send = this.sent.findLast(({ event }) => event.messageId === messageId);
    if (send === undefined) throw new Error(`${messageId} was never sent`);
    this.listener.answered(send.id, answer);
  }

  disconnect(): void {
    this.connected = false;
  }

  reconnect(): void {
    this.connected = true;
    this.listener.reconnected();
  }
}

/** One publish call and its outcome. */
export interface Call {
  readonly event: OutgoingEvent;
  receipt: PublishReceipt | undefined;
  error: AggregateTransportError | undefined;
  /** `open`, `stored` or the error's code. */
  readonly outcome: string;
}

export function eventOf(token: string, n: number | string, expectedSequence?: number): OutgoingEvent {
  return {
    token,
    subject: `orders.${token}`,
    messageId: `${token}:${n}`,
    headers: new Uint8Array(),
    body: new Uint8Array(),
    expectedSequence,
  };
}

export function callOn(sequencer: Sequencer, event: OutgoingEvent, signal?: AbortSignal): Call {
  const call: Call = {
    event,
    receipt: undefined,
    error: undefined,
    get outcome(): string {
      return this.receipt !== undefined ? 'stored' : (this.error?.code ?? 'open');
    },
  };
  sequencer.publish(event, signal).then(
    (receipt) => (call.receipt = receipt),
    (error: unknown) => (call.error = error as AggregateTransportError),
  );
  return call;
}

export const stored = (sequence: number, duplicate = false): ServerAnswer => ({
  kind: 'stored',
  sequence,
  duplicate,
});
/** The copy may be stored nevertheless. */
export const unavailable: ServerAnswer = { kind: 'unavailable', description: 'no leader' };
/** The copy is certainly not stored. */
export const absent: ServerAnswer = { kind: 'unavailable', description: 'no stream', refusal: 'absent' };
export const full: ServerAnswer = {
  kind: 'unavailable',
  errorCode: 10077,
  description: 'maximum messages exceeded',
  refusal: 'full',
};
export const refused: ServerAnswer = {
  kind: 'refused',
  errorCode: 10054,
  description: 'message size exceeds maximum allowed',
  wrongSequence: false,
};
export const wrongSequence: ServerAnswer = {
  kind: 'refused',
  errorCode: 10071,
  description: 'wrong last sequence: 7',
  wrongSequence: true,
};

interface PublishOptions {
  readonly expected?: number;
  readonly signal?: AbortSignal;
  /** The size of the event's body. */
  readonly bytes?: number;
}

export interface Fixture {
  readonly clock: ManualClock;
  readonly port: FakePublishPort;
  readonly sequencer: Sequencer;
  readonly warnings: string[];
  readonly publish: (token: string, n: number, options?: PublishOptions) => Call;
}

export function fixture(options: Partial<SequencerOptions> = {}): Fixture {
  const clock = new ManualClock();
  const warnings: string[] = [];
  let port: FakePublishPort | undefined;
  const log: Log = {
    write: (event, _fields, text) => {
      if (['warn', 'error'].includes(levelOf(event))) warnings.push(text);
    },
  };
  const sequencer = new Sequencer({
    topic: 'orders',
    connector: { connectPublisher: (listener) => (port = new FakePublishPort(listener, clock)) },
    maxInFlight: 100,
    maxPending: 1_000,
    giveUpAfterMs: 60_000,
    duplicateWindowMs: 120_000,
    batching: { maxBatch: 500, maxOpenBatches: 4, obstacle: 'not here' },
    clock,
    log,
    ...options,
  });
  return {
    clock,
    port: port!,
    sequencer,
    warnings,
    publish: (token, n, { expected, signal, bytes = 0 } = {}) =>
      callOn(sequencer, { ...eventOf(token, n, expected), body: new Uint8Array(bytes) }, signal),
  };
}
