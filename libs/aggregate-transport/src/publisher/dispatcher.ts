import { isSabotaged } from '#sabotage';
import type { Clock } from '../clock.js';
import { PassingMap } from '../passing-map.js';
import {
  largestEventBytes,
  type OutgoingEvent,
  sizeOf,
  withHeaders,
} from '../message/outgoing/outgoing-event.js';
import type { Batching } from './batching.js';
import type { PublishPort } from './publish-port.js';
import type { PublishQueue, QueuedEvent } from './publish-queue.js';
import { ReadyQueues } from './ready-queues.js';

const RESEND_AFTER_MS = 2_000;
const NO_HEADERS = new TextEncoder().encode('NATS/1.0\r\n\r\n');

interface DispatcherParts {
  readonly maxInFlight: number;
  readonly clock: Clock;
  readonly port: PublishPort;
  readonly batching: Batching;
  readonly listener: DispatchListener;
}

/** What the dispatcher tells about events that it does not send. */
export interface DispatchListener {
  /** The server takes no message of this size now. Nothing was sent; earlier copies may be stored. */
  outgrown(event: QueuedEvent): void;
}

/**
 * Decides when events leave: at most `maxInFlight` are on the wire, one per queue. A free place goes to the queue that
 * has waited longest. Nothing leaves while the port is disconnected: the client would drop it.
 */
export class Dispatcher {
  readonly #inFlight = new PassingMap<number, QueuedEvent>();
  readonly #ready = new ReadyQueues();
  /** Events in flight whose outcome is unknown. They hold no place on the wire: others need not wait for them. */
  #unknown = 0;
  #lastId = 0;
  #isFilling = false;

  constructor(private readonly parts: DispatcherParts) {}

  /** The id taken last. Events and batches share the ids, as their answers share one inbox. */
  get lastId(): number {
    return this.#lastId;
  }

  takeId(): number {
    return ++this.#lastId;
  }

  /** Events sent and not answered. Batches count with their first event. */
  get inFlight(): IterableIterator<QueuedEvent> {
    return this.#inFlight.values();
  }

  find(id: number): QueuedEvent | undefined {
    return this.#inFlight.get(id);
  }

  /** Of the events in flight: the one that was sent first, of those whose outcome is unknown and of the others. */
  get slowest(): { readonly unknown: QueuedEvent | undefined; readonly waiting: QueuedEvent | undefined } {
    let unknown: QueuedEvent | undefined;
    // Events keep their places when they are sent again, so the first ones were sent first.
    for (const event of this.#inFlight.values()) {
      if (!event.hasOutcome) return { unknown, waiting: event };
      unknown ??= event;
    }
    return { unknown, waiting: undefined };
  }

  /** Sends the queue's head as soon as the wire has a place for it. */
  dispatch(queue: PublishQueue): void {
    this.#ready.add(queue);
    this.fill();
  }

  /** Gives the free places on the wire to the ready queues. A call from within, when a head is refused, adds nothing. */
  fill(): void {
    if (this.#isFilling) return;
    this.#isFilling = true;
    try {
      this.#fill();
    } finally {
      this.#isFilling = false;
    }
  }

  #fill(): void {
    const { maxInFlight, port, batching } = this.parts;
    // Asked again each time: a batch that is opened here takes places, too.
    while (this.#busyQueues < maxInFlight - batching.followersOnWire && port.connected) {
      const queue = this.#ready.take();
      if (queue === undefined) return;
      const { head } = queue;
      if (head === undefined || head.hasOutcome || this.#inFlight.has(head.id)) continue;
      if (batching.pays(queue, this.#busyQueues)) this.#sendBatch(queue, head);
      else this.send(head);
    }
  }

  /** Sends an event alone, now, for the first time or again, if the server takes one of its size. */
  send(event: QueuedEvent): void {
    const { port, batching, listener } = this.parts;
    batching.noteSentAlone(event.queue);
    if (!fits(event, port.maxPayloadBytes)) {
      listener.outgrown(event);
      return;
    }
    this.#add(event);
    port.send(event.id, event.sends > 1 ? copyOf(event.outgoing) : event.outgoing);
  }

  /** Frees the event's place. If its caller is told an outcome now, remove the event first. */
  remove(event: QueuedEvent): void {
    if (this.#inFlight.delete(event.id) && event.hasOutcome) this.#unknown--;
  }

  /** An event in flight was told to its caller as unknown. It gives up its place, and is still sent again. */
  noteUnknown(): void {
    this.#unknown++;
  }

  /** Forgets all events in flight. */
  clear(): void {
    this.#inFlight.clear();
  }

  get #busyQueues(): number {
    return this.#inFlight.size - this.#unknown;
  }

  #sendBatch(queue: PublishQueue, first: QueuedEvent): void {
    this.#add(first);
    this.parts.batching.open(this.takeId(), queue, first);
  }

  #add(event: QueuedEvent): void {
    const now = this.parts.clock.now();
    event.markSent(now, now + RESEND_AFTER_MS);
    this.#inFlight.set(event.id, event);
  }
}

/** A copy of an event that was sent needs no room for a letter around it: the first copy may be stored as it is. */
function fits({ sends, outgoing }: QueuedEvent, maxPayloadBytes: number): boolean {
  const limit = sends === 0 ? largestEventBytes(maxPayloadBytes) : maxPayloadBytes;
  return sizeOf(outgoing) <= limit;
}

/** An event as it is sent again: unchanged, dedup id included, so that the stream recognizes it. */
function copyOf(outgoing: OutgoingEvent): OutgoingEvent {
  return isSabotaged('publisher-drops-dedup-id') ? withHeaders(outgoing, NO_HEADERS) : outgoing;
}
