import { createInbox, type JetStreamClient, type MsgHdrs, type NatsConnection } from 'nats';
import type { RawMessage } from '../workload.js';

export interface Publishing {
  readonly events: number;
  /** Events on the wire without an answer, at most. */
  readonly window: number;
  readonly messageOf: (index: number) => RawMessage;
  /** Send the dedup id too. */
  readonly withId?: boolean;
}

/** Headers whose bytes are ready: publishing uses nothing of a header object but `encode`. */
export function readyHeaders(block: Uint8Array): MsgHdrs {
  return { encode: () => block } as unknown as MsgHdrs;
}

/**
 * The ceiling of acked publishing in this client: one reply inbox, a window, no object per event. Unordered, and a lost
 * answer hangs it: no service could run on it.
 */
export function pipelined(
  nats: NatsConnection,
  { events, window, messageOf, withId }: Publishing,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const inbox = createInbox();
    let sent = 0;
    let acked = 0;
    const fill = (): void => {
      while (sent < events && sent - acked < window) {
        const { subject, body, headers } = messageOf(sent++);
        nats.publish(
          subject,
          body,
          withId === true ? { reply: inbox, headers: readyHeaders(headers) } : { reply: inbox },
        );
      }
    };
    const answers = nats.subscribe(inbox, {
      callback: (_error, message) => {
        const answer = JSON.parse(message.string()) as { error?: { description: string } };
        if (answer.error !== undefined) {
          answers.unsubscribe();
          reject(new Error(answer.error.description));
          return;
        }
        acked++;
        if (acked === events) {
          answers.unsubscribe();
          resolve();
        } else if (sent - acked < window / 2) fill();
      },
    });
    fill();
  });
}

/** Publishes into the stream without asking whether it arrived. Part of it does not: see the traps in README.md. */
export async function unacked(nats: NatsConnection, { events, messageOf }: Publishing): Promise<void> {
  for (let index = 0; index < events; index++) {
    const { subject, body } = messageOf(index);
    nats.publish(subject, body);
    // The socket takes it from here; without a turn now and then all of it would pile up in the client.
    if (index % 2_000 === 1_999) await nats.flush();
  }
  await nats.flush();
}

/** The client's own acked publish, with a window of calls under way. */
export async function clientPublish(
  js: JetStreamClient,
  { events, window, messageOf }: Publishing,
): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < events) {
      const { subject, body } = messageOf(next++);
      await js.publish(subject, body);
    }
  };
  await Promise.all(Array.from({ length: Math.min(window, events) }, one));
}
