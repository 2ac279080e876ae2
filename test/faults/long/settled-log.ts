import type { NatsConnection } from 'nats';
import { HeardAcks } from '../../support/heard-acks.js';
import { TOPIC } from './long-scene.js';

/** When the server confirmed each ack, as a tap beside the consumers hears it. */
export class SettledLog {
  readonly #settledAt: Float64Array;
  /** How often all unsettled events were made to expire at once. */
  expiries = 0;

  constructor(nats: NatsConnection, maxSequence: number) {
    this.#settledAt = new Float64Array(maxSequence + 1);
    const acks = new HeardAcks({
      isLone: true,
      confirmed: (sequence) => {
        if (this.#settledAt[sequence] === 0) this.#settledAt[sequence] = performance.now();
      },
    });
    nats.subscribe(`$JS.ACK.${TOPIC}.>`, { callback: (_error, message) => acks.acked(message) });
    // An ear on three tokens hears answers, and keeps no dead process's pulls alive.
    nats.subscribe('_INBOX.*.*', { callback: (_error, message) => acks.answered(message) });
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
