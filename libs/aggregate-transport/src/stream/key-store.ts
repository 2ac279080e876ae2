import type { Subscription } from 'nats';
import { headers as createHeaders } from 'nats';
import { AggregateTransportError } from '../errors.js';
import { HEADER } from '../message/headers.js';
import type { KeyPort, StoredValue } from '../message/key-port.js';
import { readAnswer } from '../publisher/answer.js';
import type { PartitionAddress } from './configuration.js';
import type { Connection, ConnectionListener } from './connection.js';
import { BUCKET } from './group-record.js';
import { API_ERROR, type JetStreamApi } from './jetstream-api.js';

const TIMEOUT_MS = 500;

/** The key of what one partition keeps: its lease, or its suspects. */
export function partitionKey(what: 'lease' | 'suspects', address: PartitionAddress): string {
  const { topic, group, partition, partitions } = address;
  return `${what}.${topic}.${group}.${partitions}.${partition}`;
}

/**
 * A key of the key-value bucket as JSON, on the connection its partition pulls and acks over: when that
 * connection fails, the renewals of its lease fail with it. Reads go to the stream's leader; a direct get may
 * be answered by a follower that lags.
 */
export class KeyStore<T> implements KeyPort<T> {
  readonly #subject: string;
  #hints: Subscription | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly api: JetStreamApi,
    private readonly key: string,
  ) {
    this.#subject = `$KV.${BUCKET}.${key}`;
  }

  async read(): Promise<StoredValue<T> | undefined> {
    const found = await this.api.find<{ message: { seq: number; data?: string } }>(
      `STREAM.MSG.GET.KV_${BUCKET}`,
      { last_by_subj: this.#subject },
      API_ERROR.messageNotFound,
    );
    if (found?.message.data === undefined) return undefined;
    const json = Buffer.from(found.message.data, 'base64').toString('utf8');
    return { value: JSON.parse(json) as T, revision: found.message.seq };
  }

  async write(value: T, revision: number): Promise<number | undefined> {
    const headers = createHeaders();
    headers.set(HEADER.expectedLastSubjectSequence, String(revision));
    const answer = await this.#request(JSON.stringify(value), headers);
    if (answer.kind === 'stored') return answer.sequence;
    if (answer.kind === 'refused' && answer.wrongSequence) return undefined;
    throw this.#writeError(answer.description);
  }

  onHint(callback: (value: T) => void): void {
    this.#hints = this.connection.nats.subscribe(this.#subject, {
      callback: (error, message) => {
        if (error !== null) return;
        try {
          callback(message.json());
        } catch {
          // A hint that cannot be read is no hint; the next look finds what there is.
        }
      },
    });
  }

  close(): void {
    if (!this.connection.nats.isClosed()) this.#hints?.unsubscribe();
  }

  async #request(
    body: string,
    headers: ReturnType<typeof createHeaders>,
  ): Promise<ReturnType<typeof readAnswer>> {
    const { connection } = this;
    if (!connection.connected) throw this.#writeError('no connection');
    const listener: ConnectionListener = {};
    // A lease has no time to wait for an answer that cannot come any more.
    const gone = new Promise<never>((_, reject) => {
      listener.disconnected = () => reject(new Error('the connection went away'));
    });
    connection.listen(listener);
    try {
      const answer = connection.nats.request(this.#subject, body, { headers, timeout: TIMEOUT_MS });
      const message = await Promise.race([answer, gone]);
      return readAnswer(message.string());
    } catch (cause) {
      throw this.#writeError(`no answer within ${TIMEOUT_MS} ms`, cause);
    } finally {
      connection.forget(listener);
    }
  }

  #writeError(found: string, cause?: unknown): AggregateTransportError {
    return new AggregateTransportError(
      'JETSTREAM_REQUEST_FAILED',
      `expected key "${this.key}" of bucket "${BUCKET}" to be written, found: ${found}`,
      cause === undefined ? undefined : { cause },
    );
  }
}
