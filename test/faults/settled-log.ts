import type { NatsConnection } from 'nats';
import { TOPIC } from './long-scene.js';

/** When the server confirmed each ack, as a tap beside the consumers hears it. */
export class SettledLog {
  readonly #settledAt: Float64Array;
  readonly #asked = new Map<string, number>();
  /** How often all unsettled events were made to expire at once. */
  expiries = 0;

  constructor(nats: NatsConnection, maxSequence: number) {
    this.#settledAt = new Float64Array(maxSequence + 1);
    nats.subscribe(`$JS.ACK.${TOPIC}.>`, {
      callback: (_error, { reply, subject, data }) => {
        // "+ACK": anything else asks for a new delivery.
        if (reply === undefined || data[0] !== 43 || data[1] !== 65) return;
        this.#asked.set(reply, Number(subject.split('.')[5]));
      },
    });
    // An ear on three tokens hears answers, and keeps no dead process's pulls alive.
    nats.subscribe('_INBOX.*.*', {
      callback: (_error, { subject, data, headers }) => {
        const sequence = this.#asked.get(subject);
        if (sequence === undefined || data.length > 0 || headers !== undefined) return;
        this.#asked.delete(subject);
        if (this.#settledAt[sequence] === 0) this.#settledAt[sequence] = performance.now();
      },
    });
    nats.subscribe(`$JS.API.CONSUMER.CREATE.${TOPIC}.>`, {
      callback: (_error, message) => {
        const { config } = message.json<{ config?: { ack_wait?: number } }>();
        if (config?.ack_wait === 1) this.expiries++;
      },
    });
  }

  /** True if the server had confirmed the event's ack by then. */
  wasSettled(sequence: number, time: number): boolean {
    const at = this.#settledAt[sequence] ?? 0;
    return at > 0 && at < time;
  }
}
