// Ways to store a hot aggregate's queue faster than one event a round trip, as bare prototypes; docs/decisions/0004 chose
// among them. One batch under way per aggregate, a dedup id for every event.
import { randomUUID } from 'node:crypto';
import { createInbox, type Msg, type NatsConnection } from 'nats';
import { readyHeaders } from './raw-publish.js';

/** What is queued for one aggregate, encoded event by event as it leaves, as the library does. */
export interface Queue {
  readonly stream: string;
  readonly subject: string;
  readonly events: number;
  /** The body of the n-th event, and its header block without its end. */
  readonly encode: (n: number) => { body: Uint8Array; headers: string };
}

/** How many flow acks a fast batch may be ahead of; ADR-50 advises 2, or 3 over long ways. */
const OUTSTANDING_ACKS = 3;
const FLOW = 200;

function headersOf(block: string): ReturnType<typeof readyHeaders> {
  return readyHeaders(Buffer.from(`NATS/1.0\r\n${block}\r\n`));
}

interface PubAck {
  type?: string;
  seq?: number;
  msgs?: number;
  count?: number;
  error?: { description: string };
}

/** One fast batch for all events of an aggregate, the tail committed; resolves with the sequence of the last. */
export async function fastIngest(nats: NatsConnection, queue: Queue): Promise<number> {
  const prefix = `${createInbox()}.${randomUUID()}`;
  return new Promise((resolve, reject) => {
    let sent = 0;
    let acked = 0;
    let flow = 0;
    const send = (): void => {
      const { headers, body } = queue.encode(++sent);
      const operation = sent === queue.events ? 2 : sent === 1 ? 0 : 1;
      const reply = `${prefix}.${FLOW}.fail.${sent}.${operation}.$FI`;
      nats.publish(queue.subject, body, { reply, headers: headersOf(headers) });
    };
    const answers = nats.subscribe(`${prefix}.>`, {
      callback: (_error, message: Msg) => {
        const answer = JSON.parse(message.string()) as PubAck;
        if (answer.type === 'ack') {
          acked = answer.seq!;
          flow = answer.msgs!;
          while (sent < queue.events && sent < acked + flow * OUTSTANDING_ACKS) send();
          return;
        }
        answers.unsubscribe();
        if (answer.count === queue.events) resolve(answer.seq!);
        else reject(new Error(`${message.subject}: ${message.string()}`));
      },
    });
    send();
  });
}

/** Reads the sequences of an aggregate's events back, which a fast batch does not tell. */
export async function readSequences(nats: NatsConnection, queue: Queue): Promise<void> {
  let read = 0;
  let last = 0;
  while (read < queue.events) {
    await new Promise<void>((resolve, reject) => {
      const inbox = createInbox();
      const answers = nats.subscribe(inbox, {
        callback: (error, message) => {
          const { headers } = message;
          const sequence = Number(headers?.get('Nats-Sequence') ?? 0);
          if (error !== null) reject(new Error(`read back: ${error.message}`));
          else if ([404, 408].includes(headers?.code ?? 0))
            reject(new Error(`read back: ${headers?.description ?? ''}`));
          else if (sequence > 0) {
            read++;
            last = sequence;
          } else {
            answers.unsubscribe();
            resolve();
          }
        },
      });
      const request = { seq: last + 1, next_by_subj: queue.subject, batch: 1_000 };
      nats.publish(`$JS.API.DIRECT.GET.${queue.stream}`, JSON.stringify(request), { reply: inbox });
    });
  }
}

/** Atomic batches of one aggregate, one after the other; resolves with the sequence of the last event. */
export async function atomicBatches(nats: NatsConnection, queue: Queue, size: number): Promise<number> {
  const inbox = createInbox();
  let sent = 0;
  return new Promise((resolve, reject) => {
    const sendBatch = (): void => {
      const id = randomUUID();
      const count = Math.min(size, queue.events - sent);
      for (let n = 1; n <= count; n++) {
        const { headers, body } = queue.encode(++sent);
        const batch = `${headers}Nats-Batch-Id: ${id}\r\nNats-Batch-Sequence: ${n}\r\n`;
        if (n < count) nats.publish(queue.subject, body, { headers: headersOf(batch) });
        else
          nats.publish(queue.subject, body, {
            reply: inbox,
            headers: headersOf(`${batch}Nats-Batch-Commit: 1\r\n`),
          });
      }
    };
    const answers = nats.subscribe(inbox, {
      callback: (_error, message) => {
        const answer = JSON.parse(message.string()) as PubAck;
        if (answer.error !== undefined) reject(new Error(answer.error.description));
        else if (sent < queue.events) sendBatch();
        else {
          answers.unsubscribe();
          resolve(answer.seq!);
        }
      },
    });
    sendBatch();
  });
}
