import { createInbox, type Msg, type MsgHdrs, type Subscription } from 'nats';
import { delay, type Clock } from '../../clock.js';
import { AggregateTransportError, describeError } from '../../errors.js';
import { Delivery, type DeliveryOrigin } from '../../message/delivery.js';
import type {
  ConsumerListener,
  ConsumerPort,
  ConsumerState,
  Feed,
  FeedListener,
  StreamState,
} from '../../message/reader-port.js';
import { tokenOfSubject } from '../../message/subject.js';
import { ackSubjectPrefix, parseAckSubject } from './reply-subject.js';
import { type ConsumerConfig, pullRequest, type StartAt } from '../api/configuration.js';
import type { Connection, ConnectionListener } from '../api/connection.js';
import { API_ERROR, type JetStreamApi } from '../api/jetstream-api.js';
import { adjustConsumer, writeConsumer } from '../api/provision.js';

export interface ConsumerWireOptions {
  readonly connection: Connection;
  readonly api: JetStreamApi;
  readonly stream: string;
  /** The consumer's configuration by its generation, should it have to be made. */
  readonly configFrom: (generation: number, startAt: StartAt) => ConsumerConfig;
  readonly clock: Clock;
}

interface StreamInfo {
  created: string;
  state: { first_seq: number; last_seq: number };
  cluster?: { leader?: string };
}

interface ConsumerInfo {
  config: ConsumerConfig;
  delivered: { consumer_seq: number; stream_seq: number };
  ack_floor: { consumer_seq: number; stream_seq: number };
  num_ack_pending: number;
  num_waiting: number;
  num_pending: number;
  cluster?: { leader?: string };
}

const STATE_TIMEOUT_MS = 500;
const BARRIER_TIMEOUT_MS = 2_000;
const EXPIRY_MS = 200;
// Bytes, because the client would encode a text anew for every ack.
const ACK = Buffer.from('+ACK');
const NAK = Buffer.from('-NAK');
const WORKING = Buffer.from('+WPI');

/**
 * A partition's consumer over a NATS connection: raw pull requests and acks, one inbox for the events
 * and one for the confirmations. No request object, timer or promise per event.
 */
export class ConsumerWire implements ConsumerPort, ConnectionListener {
  #generation = 0;
  #consumer = '';
  #ackPrefix = '';
  /** The name of the server that kept the stream when last asked; a lone one names itself. */
  #keeper: string | undefined;
  readonly #confirmInbox = `${createInbox()}.`;
  readonly #confirmations: Subscription;

  constructor(
    private readonly options: ConsumerWireOptions,
    private readonly listener: ConsumerListener,
  ) {
    const { connection } = options;
    this.use(0);
    this.#confirmations = connection.nats.subscribe(`${this.#confirmInbox}*`, {
      callback: (error, message) => {
        // A confirmation is empty and bare; with headers it is "no responders": the consumer is gone.
        if (error !== null || message.headers !== undefined) return;
        listener.ackConfirmed(Number(message.subject.slice(this.#confirmInbox.length)));
      },
    });
    connection.listen(this);
  }

  get connected(): boolean {
    return this.options.connection.connected;
  }

  get serverId(): string | undefined {
    const { loneServerId, serverName } = this.options.connection;
    return this.#keeper === serverName ? loneServerId : undefined;
  }

  disconnected(): void {
    this.listener.disconnected();
  }

  reconnected(): void {
    this.listener.reconnected();
  }

  publishDenied(subject: string): void {
    if (subject.startsWith(this.#ackPrefix)) this.listener.ackRefused();
  }

  use(generation: number): void {
    this.#generation = generation;
    this.#consumer = this.#configFrom('all').name;
    this.#ackPrefix = ackSubjectPrefix(this.options.stream, this.#consumer);
  }

  async find(): Promise<ConsumerState | undefined> {
    const { api, stream } = this.options;
    const call = this.#infoCall();
    const info = await api.find<ConsumerInfo>(call, undefined, API_ERROR.consumerNotFound, STATE_TIMEOUT_MS);
    if (info === undefined) return undefined;
    requireLeader(info, this.#consumer);
    await adjustConsumer(api, stream, info.config, this.#configFrom('all'));
    return stateOf(info);
  }

  async stream(): Promise<StreamState> {
    const { api, stream } = this.options;
    const info = await api.request<StreamInfo>(`STREAM.INFO.${stream}`, undefined, STATE_TIMEOUT_MS);
    this.#keeper = info.cluster?.leader;
    return { created: info.created, firstSequence: info.state.first_seq, lastSequence: info.state.last_seq };
  }

  async create(fromSequence: number): Promise<void> {
    const { api, stream } = this.options;
    await writeConsumer(api, stream, this.#configFrom({ sequence: Math.max(1, fromSequence) }), 'create');
  }

  async remove(generation: number): Promise<void> {
    const { api, stream, configFrom } = this.options;
    const call = `CONSUMER.DELETE.${stream}.${configFrom(generation, 'all').name}`;
    await api.find(call, undefined, API_ERROR.consumerNotFound);
  }

  async state(): Promise<ConsumerState> {
    return stateOf(await this.#info());
  }

  open(listener: FeedListener): Feed {
    const { connection, api, stream } = this.options;
    const inbox = createInbox();
    const subject = api.subjectOf(`CONSUMER.MSG.NEXT.${stream}.${this.#consumer}`);
    const subscription = connection.nats.subscribe(inbox, {
      callback: (error, message) => {
        // A throw in here would silently end the subscription.
        try {
          if (error !== null) listener.lost(describeError(error));
          else if (message.subject === inbox) hearStatus(message, listener);
          else listener.delivered(new Delivery(new Received(message, this.#ackPrefix)));
        } catch (failure) {
          listener.lost(`its reader failed: ${describeError(failure)}`);
        }
      },
    });
    return {
      pull: ({ events, expiresMs, idleHeartbeatMs }) =>
        connection.nats.publish(subject, pullRequest(events, expiresMs, idleHeartbeatMs), { reply: inbox }),
      close: () => subscription.unsubscribe(),
    };
  }

  ack({ ackSubject }: { readonly ackSubject: string }, number: number | undefined): void {
    this.#publish(ackSubject, ACK, number === undefined ? undefined : this.#confirmInbox + String(number));
  }

  nak(sequence: number, deliveredConsumerSequence: number): void {
    this.#publish(this.#forged(sequence, deliveredConsumerSequence), NAK);
  }

  async barrier(state: ConsumerState): Promise<void> {
    // Acks, naks and this "working" go through one queue of the consumer, in order.
    const subject = this.#forged(state.delivered, state.deliveredConsumerSequence);
    try {
      await this.options.connection.nats.request(subject, WORKING, { timeout: BARRIER_TIMEOUT_MS });
    } catch (cause) {
      throw new AggregateTransportError(
        'JETSTREAM_REQUEST_FAILED',
        `expected consumer "${this.#consumer}" to answer within ${BARRIER_TIMEOUT_MS} ms, found no answer`,
        { cause },
      );
    }
  }

  async expireAll(): Promise<void> {
    const { api, stream, clock } = this.options;
    const { config } = await this.#info();
    const expiring = await writeConsumer(api, stream, { ...config, ack_wait: 1 }, 'update');
    await delay(clock, EXPIRY_MS);
    // A process that dies before this leaves an ack wait of nothing; the next takeover mends it.
    await adjustConsumer(api, stream, expiring, this.#configFrom('all'));
  }

  close(): void {
    this.options.connection.forget(this);
    if (!this.options.connection.nats.isClosed()) this.#confirmations.unsubscribe();
  }

  #infoCall(): string {
    return `CONSUMER.INFO.${this.options.stream}.${this.#consumer}`;
  }

  #configFrom(startAt: StartAt): ConsumerConfig {
    return this.options.configFrom(this.#generation, startAt);
  }

  async #info(): Promise<ConsumerInfo> {
    const info = await this.options.api.request<ConsumerInfo>(this.#infoCall(), undefined, STATE_TIMEOUT_MS);
    requireLeader(info, this.#consumer);
    return info;
  }

  /** An ack subject for a sequence whose own is not at hand; the server looks at the stream sequence only. */
  #forged(sequence: number, deliveredConsumerSequence: number): string {
    return `${this.#ackPrefix}1.${sequence}.${deliveredConsumerSequence}.1.0`;
  }

  #publish(subject: string, body: Uint8Array, reply?: string): void {
    const { nats } = this.options.connection;
    if (!nats.isClosed()) nats.publish(subject, body, reply === undefined ? undefined : { reply });
  }
}

/** One message of the server, as the origin of a delivery. */
class Received implements DeliveryOrigin {
  readonly subject: string;
  readonly token: string;
  readonly ackSubject: string;
  readonly sequence: number;
  readonly consumerSequence: number;
  readonly deliveryCount: number;
  readonly body: Uint8Array;

  constructor(
    private readonly message: Msg,
    ackPrefix: string,
  ) {
    this.subject = message.subject;
    this.token = tokenOfSubject(this.subject);
    this.ackSubject = message.reply ?? '';
    const counts = parseAckSubject(this.ackSubject, ackPrefix);
    this.sequence = counts.streamSequence;
    this.consumerSequence = counts.consumerSequence;
    this.deliveryCount = counts.deliveryCount;
    this.body = message.data;
  }

  readHeaders(): Readonly<Record<string, string>> {
    return recordOf(this.message.headers);
  }
}

/** In a cluster a member without a leader answers with zeros; believing them would replay everything. */
function requireLeader({ cluster }: ConsumerInfo, consumer: string): void {
  if (cluster === undefined || (cluster.leader ?? '') !== '') return;
  throw new AggregateTransportError(
    'JETSTREAM_REQUEST_FAILED',
    `expected consumer "${consumer}" to have a leader, found none yet`,
  );
}

function stateOf(info: ConsumerInfo): ConsumerState {
  return {
    ackFloor: info.ack_floor.stream_seq,
    delivered: info.delivered.stream_seq,
    deliveredConsumerSequence: info.delivered.consumer_seq,
    ackPending: info.num_ack_pending,
    waitingPulls: info.num_waiting,
    pending: info.num_pending,
  };
}

function recordOf(headers: MsgHdrs | undefined): Record<string, string> {
  const record: Record<string, string> = {};
  for (const [name] of headers ?? []) record[name] = headers?.get(name) ?? '';
  return record;
}

/** Reads a message of the server about the pull itself (ADR-13). */
function hearStatus(message: Msg, listener: FeedListener): void {
  const { headers } = message;
  const pending = headers?.get('Nats-Pending-Messages') ?? '';
  switch (headers?.code) {
    case 100:
      listener.idle(Number(headers.get('Nats-Last-Consumer')));
      return;
    case 404:
    case 408:
      listener.pullEnded(Number(pending));
      return;
    case undefined:
    default:
      listener.lost(
        `the server ended the pull: ${headers?.code ?? 0} ${headers?.description ?? 'without a reason'}`,
      );
  }
}
