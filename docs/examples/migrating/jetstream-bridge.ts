import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { DeliverPolicy, type JetStreamClient } from 'nats';
import type { OldBatch, OldEvent } from './bridge.js';

export interface OldStream {
  readonly jetstream: JetStreamClient;
  readonly stream: string;
  /** A file that holds the sequence up to which all is copied. */
  readonly placeFile: string;
  /** Ends after this sequence, for the hand-over. */
  readonly until?: number;
  readonly eventOf: (subject: string, payload: unknown) => Omit<OldEvent, 'place' | 'payload'>;
}

// #region jetstream
/** Reads a stream from the place that was written down. It acks nothing: a redelivery could come after later events. */
export async function* batchesOf(old: OldStream): AsyncGenerator<OldBatch> {
  const { stream, placeFile, until = Infinity, eventOf } = old;
  let place = placeIn(placeFile);
  for (;;) {
    const consumer = await old.jetstream.consumers.get(stream, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: place + 1,
    });
    const events: OldEvent[] = [];
    for await (const message of await consumer.fetch({ max_messages: 500, expires: 1_000 })) {
      if (message.seq > until) break;
      const payload = message.json();
      events.push({ ...eventOf(message.subject, payload), payload, place: `${stream}-${message.seq}` });
      place = message.seq;
      if (place === until) break;
    }
    const settled = place;
    // eslint-disable-next-line @typescript-eslint/require-await -- a database would be awaited here
    if (events.length > 0) yield { events, settle: async () => writePlace(placeFile, settled) };
    if (place >= until) return;
  }
}
// #endregion

function placeIn(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0;
  }
}

function writePlace(file: string, place: number): void {
  writeFileSync(`${file}.new`, String(place));
  renameSync(`${file}.new`, file);
}
