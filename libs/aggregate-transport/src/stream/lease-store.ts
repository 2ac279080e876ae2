import type { Subscription } from 'nats';
import { headers as createHeaders } from 'nats';
import { AggregateTransportError } from '../errors.js';
import { HEADER } from '../message/headers.js';
import type { LeasePort, LeaseRecord, StoredLease } from '../message/lease-port.js';
import { readAnswer } from '../publisher/answer.js';
import type { Connection } from './connection.js';
import { BUCKET } from './group-record.js';
import { API_ERROR, type JetStreamApi } from './jetstream-api.js';

const TIMEOUT_MS = 500;

/** Where a partition's lease is kept. */
export interface LeaseAddress {
  readonly topic: string;
  readonly group: string;
  readonly partition: number;
  readonly partitions: number;
}

/**
 * A lease in the key-value bucket, on the connection its partition pulls and acks over: when that connection
 * fails, the renewals fail with it. Reads go to the stream's leader; a direct get may answer from a follower
 * that lags.
 */
export class LeaseStore implements LeasePort {
  readonly #subject: string;
  #hints: Subscription | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly api: JetStreamApi,
    { topic, group, partition, partitions }: LeaseAddress,
  ) {
    this.#subject = `$KV.${BUCKET}.lease.${topic}.${group}.${partitions}.${partition}`;
  }

  async read(): Promise<StoredLease | undefined> {
    const found = await this.api.find<{ message: { seq: number; data?: string } }>(
      `STREAM.MSG.GET.KV_${BUCKET}`,
      { last_by_subj: this.#subject },
      API_ERROR.messageNotFound,
    );
    if (found?.message.data === undefined) return undefined;
    const json = Buffer.from(found.message.data, 'base64').toString('utf8');
    return { record: JSON.parse(json) as LeaseRecord, revision: found.message.seq };
  }

  async write(record: LeaseRecord, revision: number): Promise<number | undefined> {
    const headers = createHeaders();
    headers.set(HEADER.expectedLastSubjectSequence, String(revision));
    let answer;
    try {
      const message = await this.connection.nats.request(this.#subject, JSON.stringify(record), {
        headers,
        timeout: TIMEOUT_MS,
      });
      answer = readAnswer(message.string());
    } catch (cause) {
      throw writeError(`no answer within ${TIMEOUT_MS} ms`, cause);
    }
    if (answer.kind === 'stored') return answer.sequence;
    if (answer.kind === 'refused' && answer.wrongSequence) return undefined;
    throw writeError(answer.description);
  }

  onHint(callback: (record: LeaseRecord) => void): void {
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
}

function writeError(found: string, cause?: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'JETSTREAM_REQUEST_FAILED',
    `expected bucket "${BUCKET}" to take a lease, found: ${found}`,
    cause === undefined ? undefined : { cause },
  );
}
