// Whether a hot aggregate's queue can be stored faster than one event a round trip: ours (the sequencer), fast ingest
// (ADR-50, nats-server 2.14+) without and with the sequences a receipt needs, and atomic batches (2.12+) of one aggregate,
// one batch under way. Every event has its dedup id; contenders interleaved. docs/decisions/0004 has the verdict.
// Run: npm run build && node dist/bench/fast-lane.js
import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { connect, createInbox, type Msg, type MsgHdrs, type NatsConnection } from 'nats';
import {
  type AggregatePublisher,
  AggregateTransportModule,
  getAggregatePublisherToken,
} from 'nestjs-aggregate-transport';
import { startNatsServer } from 'nestjs-aggregate-transport/testing';

const EVENTS = 10_000;
const ROUNDS = 3;
const SPREADS = [1, 3, 10, 100, 1_000];
const TOPIC = 'bench';
const BITS = '0.1.0.1.0.1.0.1';
const PAYLOAD = { text: 'x'.repeat(120), amount: 1 };
/** How many flow acks a fast batch may be ahead of; ADR-50 advises 2, or 3 over long ways. */
const OUTSTANDING_ACKS = 3;
const FLOW = 200;

/** What an aggregate's events are made of: encoded one by one, as the library does. */
interface Aggregate {
  readonly token: string;
  readonly subject: string;
  readonly events: number;
}

interface Ready {
  readonly headers: string;
  readonly body: Uint8Array;
}

function encode({ token }: Aggregate, n: number): Ready {
  const eventId = randomUUID();
  const body = JSON.stringify({
    event_id: eventId,
    aggregate_id: token,
    event_type: 'Counted',
    event_version: 1,
    timestamp: new Date().toISOString(),
    aggregate_version: n,
    payload: PAYLOAD,
  });
  return { headers: `Nats-Msg-Id: ${token}:${eventId}\r\n`, body: Buffer.from(body) };
}

function headersOf(block: string): MsgHdrs {
  const bytes = Buffer.from(`NATS/1.0\r\n${block}\r\n`);
  return { encode: () => bytes } as unknown as MsgHdrs;
}

interface PubAck {
  type?: string;
  seq?: number;
  msgs?: number;
  count?: number;
  error?: { description: string };
}

/** One fast batch for all events of an aggregate, the tail committed; resolves with the sequence of the last. */
async function fastIngest(nats: NatsConnection, aggregate: Aggregate): Promise<number> {
  const prefix = `${createInbox()}.${randomUUID()}`;
  return new Promise((resolve, reject) => {
    let sent = 0;
    let acked = 0;
    let flow = 0;
    const send = (): void => {
      const { headers, body } = encode(aggregate, ++sent);
      const operation = sent === aggregate.events ? 2 : sent === 1 ? 0 : 1;
      const reply = `${prefix}.${FLOW}.fail.${sent}.${operation}.$FI`;
      nats.publish(aggregate.subject, body, { reply, headers: headersOf(headers) });
    };
    const answers = nats.subscribe(`${prefix}.>`, {
      callback: (_error, message: Msg) => {
        const answer = JSON.parse(message.string()) as PubAck;
        if (answer.type === 'ack') {
          acked = answer.seq!;
          flow = answer.msgs!;
          while (sent < aggregate.events && sent < acked + flow * OUTSTANDING_ACKS) send();
          return;
        }
        answers.unsubscribe();
        if (answer.count === aggregate.events) resolve(answer.seq!);
        else reject(new Error(`${message.subject}: ${message.string()}`));
      },
    });
    send();
  });
}

/** Reads the sequences of an aggregate's events back, which a fast batch does not tell. */
async function readSequences(nats: NatsConnection, aggregate: Aggregate): Promise<void> {
  let read = 0;
  let last = 0;
  while (read < aggregate.events) {
    await new Promise<void>((resolve, reject) => {
      const inbox = createInbox();
      const answers = nats.subscribe(inbox, {
        callback: (error, message) => {
          const sequence = Number(message.headers?.get('Nats-Sequence') ?? 0);
          if (error !== null || message.headers?.code === 404 || message.headers?.code === 408)
            reject(new Error(`read back: ${error?.message ?? message.headers?.description ?? ''}`));
          else if (sequence > 0) {
            read++;
            last = sequence;
          } else {
            answers.unsubscribe();
            resolve();
          }
        },
      });
      const request = { seq: last + 1, next_by_subj: aggregate.subject, batch: 1_000 };
      nats.publish(`$JS.API.DIRECT.GET.${TOPIC}`, JSON.stringify(request), { reply: inbox });
    });
  }
}

/** Atomic batches of one aggregate, one after the other; resolves with the sequence of the last event. */
async function atomicBatches(nats: NatsConnection, aggregate: Aggregate, size: number): Promise<number> {
  const inbox = createInbox();
  let sent = 0;
  return new Promise((resolve, reject) => {
    const sendBatch = (): void => {
      const id = randomUUID();
      const count = Math.min(size, aggregate.events - sent);
      for (let n = 1; n <= count; n++) {
        const { headers, body } = encode(aggregate, ++sent);
        const batch = `${headers}Nats-Batch-Id: ${id}\r\nNats-Batch-Sequence: ${n}\r\n`;
        if (n < count) nats.publish(aggregate.subject, body, { headers: headersOf(batch) });
        else
          nats.publish(aggregate.subject, body, {
            reply: inbox,
            headers: headersOf(`${batch}Nats-Batch-Commit: 1\r\n`),
          });
      }
    };
    const answers = nats.subscribe(inbox, {
      callback: (_error, message) => {
        const answer = JSON.parse(message.string()) as PubAck;
        if (answer.error !== undefined) reject(new Error(answer.error.description));
        else if (sent < aggregate.events) sendBatch();
        else {
          answers.unsubscribe();
          resolve(answer.seq!);
        }
      },
    });
    sendBatch();
  });
}

type Contender = (nats: NatsConnection, aggregates: readonly Aggregate[]) => Promise<unknown>;

const server = await startNatsServer({ config: '' });
const nats = await connect({ servers: server.url, noAsyncTraces: true });
const manager = await nats.jetstreamManager();

/** The library as a service uses it. */
const ours =
  (publisher: AggregatePublisher): Contender =>
  async (_nats, aggregates) => {
    const publishes: Promise<unknown>[] = [];
    // All aggregates side by side, as requests of a service would come.
    for (let n = 1; n <= aggregates[0]!.events; n++) {
      for (const { token } of aggregates) {
        publishes.push(
          publisher.publish({ aggregateId: token, type: 'Counted', payload: PAYLOAD, aggregateVersion: n }),
        );
      }
    }
    await Promise.all(publishes);
  };

async function openLibrary(publish: { maxBatch?: number }): Promise<{
  publisher: AggregatePublisher;
  close(): Promise<void>;
}> {
  @Module({
    imports: [
      AggregateTransportModule.forRoot({ servers: server.url, topics: { [TOPIC]: { publish } } }),
      AggregateTransportModule.forFeature([TOPIC]),
    ],
  })
  class BenchModule {}
  const app = await NestFactory.createApplicationContext(BenchModule, { logger: ['error', 'warn'] });
  const publisher = app.get<AggregatePublisher>(getAggregatePublisherToken(TOPIC));
  await publisher.publish({ aggregateId: 'warm-up', type: 'Counted', payload: PAYLOAD });
  return { publisher, close: () => app.close() };
}

const oneByOne = await openLibrary({ maxBatch: 1 });
const inBatches = await openLibrary({});
const inLargeBatches = await openLibrary({ maxBatch: 1_000 });

const contenders: Record<string, Contender> = {
  'ours, one by one': ours(oneByOne.publisher),
  'ours, fast lane': ours(inBatches.publisher),
  'ours, fast lane, batches of 1 000': ours(inLargeBatches.publisher),
  'fast ingest': (nats, aggregates) => Promise.all(aggregates.map((one) => fastIngest(nats, one))),
  'fast ingest, sequences read back': async (nats, aggregates) => {
    await Promise.all(
      aggregates.map(async (one) => {
        await fastIngest(nats, one);
        await readSequences(nats, one);
      }),
    );
  },
};
for (const size of [100, 500, 1_000]) {
  contenders[`atomic batches of ${size}`] = (nats, aggregates) =>
    Promise.all(aggregates.map((one) => atomicBatches(nats, one, size)));
}

/** Makes the topic's stream empty; it stays the same stream, as the library opened it. */
async function emptyStream(): Promise<void> {
  await manager.streams.purge(TOPIC);
}

const { config } = await manager.streams.info(TOPIC);
await manager.streams.update(TOPIC, { ...config, allow_batched: true, allow_atomic: true } as typeof config);

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
console.log(`nats-server ${server.version}, ${config.storage}, R${config.num_replicas}`);
for (const spread of SPREADS) {
  const rates: Record<string, number[]> = {};
  const failures: Record<string, string> = {};
  // Round 0 warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, contender] of Object.entries(contenders)) {
      await emptyStream();
      const aggregates = Array.from({ length: spread }, (_, index) => {
        const token = `${round}-${Object.keys(contenders).indexOf(name)}-${spread}-${index}`;
        return { token, subject: `${TOPIC}.${BITS}.${token}`, events: Math.floor(EVENTS / spread) };
      });
      const startedAt = performance.now();
      try {
        await contender(nats, aggregates);
      } catch (error) {
        failures[name] = String(error);
        continue;
      }
      const rate = (EVENTS * 1_000) / (performance.now() - startedAt);
      const { state } = await manager.streams.info(TOPIC);
      const expected = spread * aggregates[0]!.events;
      if (state.messages !== expected) throw new Error(`${name}: ${state.messages} of ${expected} stored`);
      if (round > 0) (rates[name] ??= []).push(rate);
    }
  }
  console.log(
    `\n${EVENTS} events of ${spread} aggregate(s), events/s, median of ${ROUNDS} (lowest to highest)`,
  );
  for (const name of Object.keys(contenders)) {
    const all = (rates[name] ?? []).toSorted((a, b) => a - b);
    const times = median(all) / median(rates['ours, one by one'] ?? []);
    const range = `${Math.round(all[0] ?? 0)} to ${Math.round(all.at(-1) ?? 0)}`;
    console.log(
      failures[name] === undefined
        ? `  ${name.padEnd(34)} ${String(Math.round(median(all))).padStart(7)}  ×${times.toFixed(2)}  (${range})`
        : `  ${name.padEnd(34)} failed: ${failures[name]}`,
    );
  }
}
await oneByOne.close();
await inBatches.close();
await inLargeBatches.close();
await nats.close();
await server.stop();
