import type { Delivery } from '#library/message/delivery.js';
import { messageIdOf, encodeHeaders } from '#library/message/headers.js';
import type { OutgoingEvent } from '#library/message/outgoing/outgoing-event.js';
import type { Feed, FeedListener, ReaderPort } from '#library/message/reader-port.js';
import { subjectOf } from '#library/message/subject.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryReaders } from '#library/testing/memory/memory-readers.js';
import { MemoryStream } from '#library/testing/memory/memory-stream.js';

export const TOPIC = 't';

let ids = 0;

export function eventOf(token: string, id = `${++ids}`): OutgoingEvent {
  const messageId = messageIdOf(token, id);
  return {
    token,
    subject: subjectOf(TOPIC, token),
    messageId,
    headers: encodeHeaders(messageId, undefined, undefined),
    body: Buffer.from(id),
    expectedSequence: undefined,
  };
}

/** Hears a reader, and keeps a line for each call: `3#1` is sequence 3 as the reader's first delivery. */
export class Heard implements FeedListener {
  readonly lines: string[] = [];
  onDelivered: (event: Delivery) => void = () => undefined;

  delivered(event: Delivery): void {
    this.lines.push(`${event.sequence}#${event.origin.consumerSequence}`);
    this.onDelivered(event);
  }
  idle(delivered: number, through: number): void {
    this.lines.push(`idle ${delivered} ${through}`);
  }
  pullEnded(unused: number): void {
    this.lines.push(`ended ${unused}`);
  }
  unheard(): void {
    this.lines.push('unheard');
  }
  lost(reason: string): void {
    this.lines.push(`lost: ${reason}`);
  }
}

export function readersFixture(prefix = `${TOPIC}.`) {
  const clock = new ManualClock();
  const stream = new MemoryStream(clock, 120_000);
  const moves = { count: 0 };
  const readers = new MemoryReaders({ stream, prefix, clock, moved: () => moves.count++ });
  const connection: string[] = [];
  const port: ReaderPort = readers.connect({
    disconnected: () => connection.push('disconnected'),
    reconnected: () => connection.push('reconnected'),
  });
  let serial = 0;
  return {
    clock,
    stream,
    moves,
    readers,
    port,
    connection,
    /** Stores events of these aggregates. */
    store: (...tokens: string[]) => {
      for (const token of tokens) stream.append(eventOf(token));
    },
    /** Opens a reader, and pulls `events` at once unless that is 0. */
    read: async (fromSequence = 1, events = 100): Promise<{ feed: Feed; heard: Heard }> => {
      const heard = new Heard();
      const feed = await port.open({ name: `reader ${++serial}`, fromSequence }, heard);
      if (events > 0) feed.pull({ events, expiresMs: 1_000, idleHeartbeatMs: 400 });
      await clock.settle();
      return { feed, heard };
    },
  };
}
