import { describeError, errorFields } from '../../errors.js';
import type { Log } from '../../log.js';
import type { TopicLink } from '../../transport/open-topics.js';

/** `connected` while every open topic's connection is up. */
export type AggregateClientStatus = 'connected' | 'disconnected';

/** What `AggregateClient.on` tells: the topic whose connection went or came back. */
export interface AggregateClientEvents {
  /** Its connection broke. */
  disconnect: (topic: string) => void;
  /** Its connection is back. */
  reconnect: (topic: string) => void;
}

/** Follows the connections of a client's topics. A callback that throws is logged, and the others are called. */
export class ClientStatus {
  readonly #away = new Set<string>();
  readonly #callbacks: { [E in keyof AggregateClientEvents]: AggregateClientEvents[E][] } = {
    disconnect: [],
    reconnect: [],
  };

  constructor(
    private readonly report: (status: AggregateClientStatus) => void,
    private readonly log: Log,
  ) {}

  on(event: keyof AggregateClientEvents, callback: (topic: string) => void): void {
    this.#callbacks[event].push(callback);
  }

  watch({ topic: { name }, wire }: TopicLink): void {
    wire.listen({
      disconnected: () => {
        this.#away.add(name);
        this.#tell('disconnect', name);
      },
      reconnected: () => {
        this.#away.delete(name);
        this.#tell('reconnect', name);
      },
    });
    if (!wire.connected) this.#away.add(name);
    this.#report();
  }

  #tell(event: keyof AggregateClientEvents, topic: string): void {
    this.#report();
    for (const callback of this.#callbacks[event]) {
      try {
        callback(topic);
      } catch (error) {
        const text = `a callback of on("${event}") failed: ${describeError(error)}`;
        this.log.write('callback-failed', { hook: event, ...errorFields(error) }, text, error);
      }
    }
  }

  #report(): void {
    this.report(this.#away.size === 0 ? 'connected' : 'disconnected');
  }
}
