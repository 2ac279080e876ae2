import type { Clock, Timer } from '../../clock.js';
import type { StoredMessage } from '../../message/stored-event.js';
import type { Connection, ConnectionListener } from '../connection/connection.js';
import { isServerAtLeast, type ServerVersion } from '../connection/server-version.js';
import type { NatsMessage } from '../port/nats-message.js';
import type { NatsSubscription } from '../port/nats-port.js';
import type { StreamConfig } from './api-types.js';
import type { JetStreamApi } from './jetstream-api.js';

/** The first server that answers one request with many messages (ADR-31, revision 2). */
const BATCHED_GET_SINCE: ServerVersion = [2, 11, 0];

/** The longest time between two messages of a batch, in milliseconds. */
const SILENT_MS = 2_000;
/** How long no batch is asked for after one that nothing answered, in milliseconds. */
const REST_MS = 30_000;

/** The status of a request that nothing hears. */
const NO_RESPONDERS = 503;

const HEADER = {
  stream: 'Nats-Stream',
  subject: 'Nats-Subject',
  sequence: 'Nats-Sequence',
  storedAt: 'Nats-Time-Stamp',
  pending: 'Nats-Num-Pending',
  previous: 'Nats-Last-Sequence',
} as const;
/** What the server adds to a message that it answers with. */
const ADDED: ReadonlySet<string> = new Set(Object.values(HEADER));

/** True if a server of this version answers one request with many messages, where the stream allows it. Pure. */
export function hasBatchedGet(serverVersion: string): boolean {
  return isServerAtLeast(serverVersion, BATCHED_GET_SINCE);
}

/** True if this stream, as it was made, can be read in batches. Pure. */
export function allowsBatchedGet(
  { allow_direct }: Pick<StreamConfig, 'allow_direct'>,
  serverVersion: string,
): boolean {
  return allow_direct && hasBatchedGet(serverVersion);
}

/** Which messages a batch asks for. The server ends a batch after the message that exceeds `maxBytes`. */
export interface BatchQuestion {
  readonly subject: string;
  readonly fromSequence: number;
  readonly count: number;
  readonly maxBytes: number;
}

export interface Batch {
  /** In stream order, without a hole; empty if nothing answered. */
  readonly messages: readonly StoredMessage[];
  /** The server that answered knows more messages after them. */
  readonly hasMore: boolean;
}

/** A batch that is on its way. */
export interface BatchRequest {
  /** Never rejects. */
  readonly answer: Promise<Batch>;
  /** Ends the subscription of a batch that is not wanted any more. Safe to call twice. */
  cancel(): void;
}

const NOTHING: Batch = { messages: [], hasMore: false };

/**
 * Reads many messages of one subject with one request. Any replica of the stream answers, from what it has stored so
 * far: a batch may end before the subject does. So only the stream's leader can say that there is no further message.
 * A batch is never wrong otherwise:
 *
 * 1. A message that is lost on its way leaves a hole. Each message names the one before it, so the batch ends there.
 * 2. A mirror of the stream may answer, and hold messages that the stream has removed. It names itself: nothing counts.
 * 3. A server that knows no batches answers with one message, and an end would never come. It names no number pending.
 *
 * While nothing answers (no permission, no `allow_direct`) nothing is asked for {@link REST_MS} at a time.
 */
export class BatchedGet {
  readonly #call: string;
  #restsUntil = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly connection: Connection,
    api: JetStreamApi,
    private readonly stream: string,
    private readonly clock: Clock,
  ) {
    this.#call = api.subjectOf(`DIRECT.GET.${stream}`);
  }

  /** Undefined while nothing would answer. */
  ask(question: BatchQuestion): BatchRequest | undefined {
    const { connection, clock } = this;
    if (!connection.connected || clock.now() < this.#restsUntil) return undefined;
    const reading = new BatchReading(connection, this.stream, clock);
    const answer = reading.ask(this.#call, question).then((batch) => {
      if (batch === undefined) this.#restsUntil = clock.now() + REST_MS;
      return batch ?? NOTHING;
    });
    return { answer, cancel: () => reading.stop() };
  }
}

/** One batch, from its request to its end. */
class BatchReading implements ConnectionListener {
  readonly #messages: StoredMessage[] = [];
  readonly #answer: Promise<Batch | undefined>;
  #resolve: (batch: Batch | undefined) => void = () => undefined;
  #subscription: NatsSubscription | undefined;
  #silence: Timer | undefined;
  #heardAt = 0;
  #call = '';
  #pending = 0;
  /** Something has answered, or the answer is not waited for any more. */
  #isAnswered = false;

  constructor(
    private readonly connection: Connection,
    private readonly stream: string,
    private readonly clock: Clock,
  ) {
    this.#answer = new Promise((resolve) => (this.#resolve = resolve));
  }

  /** Resolves with undefined if nothing answers. */
  ask(call: string, { subject, fromSequence, count, maxBytes }: BatchQuestion): Promise<Batch | undefined> {
    const inbox = this.connection.nats.createInbox();
    this.#call = call;
    this.connection.listen(this);
    this.#subscription = this.connection.nats.subscribe(inbox, {
      callback: (failure, message) => {
        this.#heardAt = this.clock.now();
        if (failure !== null || !this.#take(message)) this.#end();
      },
    });
    const question = { seq: fromSequence, next_by_subj: subject, batch: count, max_bytes: maxBytes };
    this.#heardAt = this.clock.now();
    this.connection.publish(call, JSON.stringify(question), { reply: inbox });
    this.#awaitNext();
    return this.#answer;
  }

  /** Ends it: what has come so far counts. Safe to call twice. */
  stop(): void {
    this.#isAnswered = true;
    this.#end();
  }

  disconnected(): void {
    this.stop();
  }

  ended(): void {
    this.stop();
  }

  publishDenied(subject: string): void {
    if (subject === this.#call) this.#end();
  }

  #end(): void {
    this.#silence?.cancel();
    this.connection.forget(this);
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    const batch = { messages: this.#messages, hasMore: this.#pending > 0 };
    this.#resolve(this.#isAnswered ? batch : undefined);
  }

  /** One timer for all messages: it ends the batch when the last one is too long ago. */
  #awaitNext(withinMs = SILENT_MS): void {
    this.#silence = this.clock.after(withinMs, () => {
      const restMs = this.#heardAt + SILENT_MS - this.clock.now();
      if (restMs <= 0) this.#end();
      else this.#awaitNext(restMs);
    });
  }

  /** False for a message of a mirror, and for one that does not follow the message before it. */
  #isNext(added: Readonly<Record<string, string>>): boolean {
    if (added[HEADER.stream] !== this.stream) return false;
    const last = this.#messages.at(-1);
    return last === undefined || Number(added[HEADER.previous]) === last.sequence;
  }

  /** False if nothing follows that counts. */
  #take({ headers, data }: NatsMessage): boolean {
    // Without allow_direct nothing hears the request (503). Ends are: of the batch (204), or with no message (404).
    const { code = NO_RESPONDERS } = headers ?? {};
    this.#isAnswered = code !== NO_RESPONDERS;
    if (headers === undefined || code !== 0) return false;
    const added: Record<string, string> = {};
    const own: Record<string, string> = {};
    // The client searches all names for each get.
    for (const [name, [value = '']] of headers) (ADDED.has(name) ? added : own)[name] = value;
    if (!this.#isNext(added)) return false;
    const {
      [HEADER.sequence]: sequence,
      [HEADER.storedAt]: storedAt = '',
      [HEADER.pending]: pending = '',
      [HEADER.subject]: subject = '',
    } = added;
    this.#messages.push({ sequence: Number(sequence), storedAt, headers: own, body: data, subject });
    this.#pending = Number(pending);
    return pending !== '';
  }
}
