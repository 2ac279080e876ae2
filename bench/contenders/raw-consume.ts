import { createInbox, type Msg, nanos, type NatsConnection } from 'nats';

export interface RawConsuming {
  readonly stream: string;
  readonly consumer: string;
  readonly events: number;
  readonly batch?: number;
  /**
   * Handles one event; a promise is awaited before its ack, and nothing else is: no order at all.
   * The first argument is the decoded body.
   */
  readonly handle: (body: unknown, message: Msg) => unknown;
}

const ACK = Buffer.from('+ACK');

/**
 * The ceiling of reading in this client: raw pull requests of 500, asked for again when half is used, a callback that
 * parses the body, calls the handler and acks. No lane, no gate, no retry; a throw in the handler would end it silently.
 * Resolves when the last ack has left.
 */
export function rawConsume(nats: NatsConnection, consuming: RawConsuming): Promise<void> {
  const { stream, consumer, events, batch = 500, handle } = consuming;
  const pullSubject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
  const pull = JSON.stringify({ batch, expires: nanos(5_000) });
  const inbox = createInbox();
  return new Promise((resolve) => {
    let outstanding = 0;
    let settled = 0;
    let leaving: string[] = [];
    let flushing = false;
    const ask = (): void => {
      outstanding += batch;
      nats.publish(pullSubject, pull, { reply: inbox });
    };
    const end = (): void => {
      if (++settled < events) return;
      feed.unsubscribe();
      resolve();
    };
    const send = (subject: string): void => {
      nats.publish(subject, ACK);
      end();
    };
    // Acks that come in later ticks are collected, as facts about this client demand: one socket write a tick.
    const sendSoon = (subject: string): void => {
      leaving.push(subject);
      if (flushing) return;
      flushing = true;
      setImmediate(() => {
        flushing = false;
        const subjects = leaving;
        leaving = [];
        for (const one of subjects) send(one);
      });
    };
    const feed = nats.subscribe(inbox, {
      callback: (_error, message) => {
        const subject = message.reply ?? '';
        if (!subject.startsWith('$JS.ACK.')) {
          // A pull has ended with some of its events not delivered.
          outstanding -= Number(message.headers?.get('Nats-Pending-Messages') ?? 0);
          if (outstanding <= batch / 2) ask();
          return;
        }
        outstanding--;
        const handled = handle(JSON.parse(message.string()), message);
        if (handled instanceof Promise) void handled.then(() => sendSoon(subject));
        else send(subject);
        if (outstanding <= batch / 2) ask();
      },
    });
    ask();
  });
}
