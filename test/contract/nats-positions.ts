import { connect, type NatsConnection, NatsError } from 'nats';
import type { StoredValue } from '#library/records/key-port.js';
import type { PositionRecord } from '#library/records/position-record.js';
import type { ServerOfWorld } from './world.js';

const MESSAGE_NOT_FOUND = 10_037;
const WRONG_LAST_SEQUENCE = [10_071, 10_164];

/** Readers and positions of a topic on a real nats-server, by a connection of its own. */
export class NatsPositions implements ServerOfWorld {
  #nats: NatsConnection | undefined;

  constructor(private readonly topic: string) {}

  async connect(servers: string): Promise<void> {
    this.#nats = await connect({ servers });
  }

  async close(): Promise<void> {
    await this.#nats?.close();
  }

  async deleteReaders(): Promise<void> {
    const { consumers } = await this.#connected.jetstreamManager();
    const names: string[] = [];
    for await (const { name } of consumers.list(this.topic)) names.push(name);
    for (const name of names) await consumers.delete(this.topic, name);
  }

  async position(group: string): Promise<StoredValue<PositionRecord>> {
    const { streams } = await this.#connected.jetstreamManager();
    try {
      const found = await streams.getMessage(`${this.topic}_positions`, {
        last_by_subj: this.#subjectOf(group),
      });
      return { value: found.json<PositionRecord>(), revision: found.seq };
    } catch (error) {
      if (codeOf(error) === MESSAGE_NOT_FOUND) return { value: undefined, revision: 0 };
      throw error;
    }
  }

  async writePosition(group: string, record: PositionRecord, revision: number): Promise<number | undefined> {
    try {
      const { seq } = await this.#connected
        .jetstream()
        .publish(this.#subjectOf(group), JSON.stringify(record), {
          expect: { lastSubjectSequence: revision },
        });
      return seq;
    } catch (error) {
      if (WRONG_LAST_SEQUENCE.includes(codeOf(error))) return undefined;
      throw error;
    }
  }

  get #connected(): NatsConnection {
    if (this.#nats === undefined) throw new Error('expected a connection, found none; call connect first');
    return this.#nats;
  }

  /** Of the only partition in the group's first layout. */
  #subjectOf(group: string): string {
    return `$KV.${this.topic}_positions.${group}.0.1.0`;
  }
}

function codeOf(error: unknown): number {
  return error instanceof NatsError ? (error.api_error?.err_code ?? 0) : 0;
}
