import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { NatsConnection } from 'nats';
import { silentLog } from '#library/log.js';
import { jsonCodec } from '#library/message/codec.js';
import type { AggregateEvent } from '#library/message/event.js';
import { AFTER_ID, BEFORE_ID } from '#library/message/headers.js';
import { JsonEvent } from '#library/message/outgoing/json-event.js';
import { type OutgoingEvent, sizeOf } from '#library/message/outgoing/outgoing-event.js';
import { prepareEvent } from '#library/message/outgoing/prepare-event.js';
import type { ServerAnswer } from '#library/publisher/server-answer.js';
import type { PublishListener } from '#library/publisher/publish-port.js';
import { JetStreamApi } from '#library/stream/api/jetstream-api.js';
import { PUBLIC_CLIENT_ONLY } from '#library/stream/clients/frames-of.js';
import { Connection } from '#library/stream/connection/connection.js';
import { PublishWire } from '#library/stream/wires/publish-wire.js';
import { streamSubjectOf } from '#library/message/subject.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';

const server = serverForAll();
const LARGE = 100_000;

class Answers implements PublishListener {
  readonly byId = new Map<number, ServerAnswer>();
  readonly batches = new Set<number>();
  readonly reconnected = (): void => undefined;
  readonly ended = this.reconnected;
  readonly denied = this.reconnected;

  opened(batch: number): void {
    this.batches.add(batch);
  }

  answered(id: number, answer: ServerAnswer): void {
    this.byId.set(id, answer);
  }

  /** The sequences of the events 1 to `count`, once all have an answer. */
  async sequences(count: number): Promise<(number | undefined)[]> {
    await eventually(`${count} answers`, () => this.byId.size === count);
    return Array.from({ length: count }, (_, index) => {
      const answer = this.byId.get(index + 1);
      return answer?.kind === 'stored' ? answer.sequence : undefined;
    });
  }
}

/** What both clients' connections have. */
function rawOf({ nats }: Connection): Pick<NatsConnection, 'stats' | 'drain'> {
  return nats.raw as NatsConnection;
}

async function connectionOf(isPublicOnly: string): Promise<Connection> {
  process.env[PUBLIC_CLIENT_ONLY] = isPublicOnly;
  const connection = await Connection.open({ servers: server().url }, 'ways', silentLog);
  process.env[PUBLIC_CLIENT_ONLY] = '';
  return connection;
}

describe.each([
  ['what the client has beyond its interface', 'inside', ''],
  ['the public interface of the client alone', 'public', '1'],
])('a publisher that uses %s', (_name, way, isPublicOnly) => {
  let connection: Connection;
  let api: JetStreamApi;
  beforeAll(async () => {
    connection = await connectionOf(isPublicOnly);
    api = new JetStreamApi(connection);
  });
  afterAll(() => connection.close());

  let streams = 0;
  async function open(config: object = {}): Promise<{ topic: string; wire: PublishWire; answers: Answers }> {
    const topic = `ways-${way}-${++streams}`;
    await api.request(`STREAM.CREATE.${topic}`, {
      name: topic,
      subjects: [streamSubjectOf(topic)],
      ...config,
    });
    const answers = new Answers();
    return { topic, answers, wire: new PublishWire(connection, api, topic, answers) };
  }

  const prepared = (topic: string, event: Partial<AggregateEvent>): OutgoingEvent =>
    prepareEvent(
      { aggregateId: 'a', type: 'Counted', payload: 1, ...event },
      { topic, codec: jsonCodec, maxPayloadBytes: 1_048_576, wallMs: 0 },
    );

  async function storedIn(topic: string): Promise<{ body: string; headers: string }[]> {
    const { state } = await api.request<{ state: { last_seq: number } }>(`STREAM.INFO.${topic}`);
    const messages = [];
    for (let seq = 1; seq <= state.last_seq; seq++) {
      const { message } = await api.request<{ message: { data: string; hdrs: string } }>(
        `STREAM.MSG.GET.${topic}`,
        { seq },
      );
      const text = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');
      messages.push({ body: text(message.data), headers: text(message.hdrs) });
    }
    return messages;
  }

  test('takes the way that its name says', () => {
    expect(connection.frames.socket === undefined).toBe(way === 'public');
    const message = new JsonEvent({ topic: 'elsewhere', token: 'a', eventId: '1' }, '{}');
    expect(connection.publishText(message, 'reply.', '1')).toBe(way === 'inside');
  });

  test('stores what the codec writes, byte for byte, with its dedup id, and reads the answers', async () => {
    const { topic, wire, answers } = await open();
    const events = [
      ...[1, null, 'ä€😀', { a: [1, 'ü"\\\n'] }, 'é'.repeat(9_000), 'x'.repeat(LARGE)].map((payload) => ({
        payload,
      })),
      { aggregateId: '日本', type: 'Tüp"e', traceId: 'tr"ü', tenantId: 7, aggregateVersion: 0 },
    ].map((event) => prepared(topic, event));
    for (const [index, event] of events.entries()) wire.send(index + 1, event);
    expect(await answers.sequences(events.length)).toEqual(events.map((_, index) => index + 1));
    expect(await storedIn(topic)).toEqual(
      events.map(({ body, messageId }) => ({
        body: Buffer.from(body).toString('utf8'),
        headers: BEFORE_ID + messageId + AFTER_ID,
      })),
    );
  });

  test('keeps the order of events that leave in different ways, in one turn', async () => {
    const { topic, wire, answers } = await open();
    const kinds = [
      {},
      { headers: { n: '1' } },
      {},
      {},
      { payload: 'x'.repeat(LARGE) },
      {},
      { expectedSequence: 6 },
      {},
    ];
    for (const [index, kind] of kinds.entries()) wire.send(index + 1, prepared(topic, kind));
    expect(await answers.sequences(kinds.length)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('stores a batch between two events in call order, of texts and of bytes', async () => {
    const { topic, wire, answers } = await open({ allow_atomic: true });
    const [before, first, second, third, after] = [{}, {}, { headers: { n: '2' } }, { payload: 'é' }, {}].map(
      (kind) => prepared(topic, kind),
    );
    wire.send(1, before!);
    wire.openBatch(2, first!);
    await eventually('an open batch', () => answers.batches.has(2));
    wire.storeBatch(2, [second!, third!]);
    wire.send(3, after!);
    expect(await answers.sequences(3)).toEqual([1, 4, 5]);
    const stored = await storedIn(topic);
    expect(stored.map(({ headers }) => /Nats-Msg-Id: (.*)\r/.exec(headers)?.[1])).toEqual(
      [before, first, second, third, after].map((event) => event?.messageId),
    );
    expect(stored[3]!.headers).toContain('Nats-Batch-Sequence: 3\r\nNats-Batch-Commit: 1\r\n');
    expect(stored[3]!.body).toBe(Buffer.from(third!.body).toString('utf8'));
  });

  test('hears of a duplicate, of a refusal, and that no stream is there', async () => {
    const { topic, wire, answers } = await open();
    const event = prepared(topic, { eventId: 'same' });
    wire.send(1, event);
    wire.send(2, event);
    wire.send(3, { ...prepared(topic, { expectedSequence: 9 }) });
    wire.send(4, new JsonEvent({ topic: 'no-stream', token: 'a', eventId: 'x' }, '{}'));
    await eventually('four answers', () => answers.byId.size === 4);
    expect(answers.byId.get(1)).toEqual({ kind: 'stored', sequence: 1, duplicate: false });
    expect(answers.byId.get(2)).toEqual({ kind: 'stored', sequence: 1, duplicate: true });
    expect(answers.byId.get(3)).toMatchObject({ kind: 'refused', wrongSequence: true });
    expect(answers.byId.get(4)).toMatchObject({ kind: 'unavailable', refusal: 'absent' });
  });

  test('counts what it sends in the statistics of the client', async () => {
    const { topic, wire, answers } = await open();
    const before = rawOf(connection).stats();
    const events = Array.from({ length: 10 }, (_, n) => prepared(topic, { payload: 'é'.repeat(n) }));
    for (const [index, event] of events.entries()) wire.send(index + 1, event);
    await answers.sequences(10);
    const { outMsgs, outBytes } = rawOf(connection).stats();
    expect(outMsgs - before.outMsgs).toBe(10);
    expect(outBytes - before.outBytes).toBe(events.reduce((sum, event) => sum + sizeOf(event), 0));
  });

  test('loses nothing when its client is drained in the turn in which it publishes', async () => {
    const { topic } = await open();
    const own = await connectionOf(isPublicOnly);
    const wire = new PublishWire(own, new JetStreamApi(own), topic, new Answers());
    for (let id = 1; id <= 3; id++) wire.send(id, prepared(topic, { payload: id }));
    await rawOf(own).drain();
    expect(await storedIn(topic)).toHaveLength(3);
    // The client refuses it, as it refuses all that comes after its end.
    wire.send(4, prepared(topic, { payload: 4 }));
    await own.close();
    expect(await storedIn(topic)).toHaveLength(3);
  });

  test('ends without an error when its connection is closed in the turn in which it publishes', async () => {
    const { topic } = await open();
    const own = await connectionOf(isPublicOnly);
    const wire = new PublishWire(own, new JetStreamApi(own), topic, new Answers());
    wire.send(1, prepared(topic, {}));
    await own.close();
    wire.send(2, prepared(topic, {}));
    expect(own.nats.isClosed()).toBe(true);
  });

  test('sends nothing that is larger than the server takes, and keeps its connection', async () => {
    const { topic, wire, answers } = await open();
    wire.send(1, new JsonEvent({ topic, token: 'a', eventId: '1' }, 'x'.repeat(1_048_577)));
    wire.send(2, prepared(topic, {}));
    expect(await answers.sequences(1)).toEqual([undefined]);
    expect(answers.byId.get(2)).toMatchObject({ kind: 'stored', sequence: 1 });
  });
});
