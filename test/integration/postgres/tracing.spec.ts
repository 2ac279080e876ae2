import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  AggregateHandler,
  AggregateServer,
  AggregateTransportModule,
  defineTopic,
} from 'nestjs-aggregate-transport';
import { AggregatePostgresModule, getOutboxToken, type OutboxOf } from 'nestjs-aggregate-transport-postgres';
import { fixtureForEach, postgresForAll } from '../../support/postgres.js';
import { serverForAll } from '../../support/server.js';
import { linksOf, spanIdOf, Spans, traceIdOf } from '../../support/spans.js';

const postgres = postgresForAll();
const fixture = fixtureForEach(postgres);
const server = serverForAll();
const orders = defineTopic<{ Placed: number }>('traced-rows');
let spans: Spans;

beforeAll(() => {
  spans = new Spans();
});
afterAll(() => spans.close());

@Controller()
class Handler {
  @AggregateHandler(orders)
  on(): void {
    // It only has to run.
  }
}

test('a row of an outbox keeps the trace of its transaction, and the relay continues it', async () => {
  const { pool, names } = await fixture();

  @Module({
    imports: [
      AggregateTransportModule.forRoot({
        ...{ servers: server().url, group: 'billing', topics: { [orders.name]: {} } },
        tracing: { tracer: spans.tracer },
      }),
      AggregatePostgresModule.forRoot({
        ...{ pool, schema: names.schema },
        outbox: { topics: [orders], relay: true },
      }),
    ],
    controllers: [Handler],
  })
  class ShopModule {}
  const app = await NestFactory.create(ShopModule, { logger: false, abortOnError: false });
  app.connectMicroservice({ strategy: app.get(AggregateServer) });
  await app.init();
  await app.startAllMicroservices();
  try {
    const outbox = app.get<OutboxOf<typeof orders>>(getOutboxToken(orders));
    const client = await pool.connect();
    await client.query('begin');
    const { span: request } = await spans.inside('request', () =>
      outbox.add(client, { aggregateId: 'order-1', type: 'Placed', payload: 1 }),
    );
    // Without a span there is no trace to keep: then the relay's span begins one.
    await outbox.add(client, { aggregateId: 'order-2', type: 'Placed', payload: 2 });
    await client.query('commit');
    client.release();
    const processed = await spans.ended(`process ${orders.name}`, 2);
    const sent = await spans.ended(`send ${orders.name}`, 2);
    const kept = sent.find((span) => traceIdOf(span) === traceIdOf(request));
    expect(kept?.parentSpanContext?.spanId).toBe(spanIdOf(request));
    expect(linksOf(kept)).toEqual([spanIdOf(request)]);
    const other = sent.find((span) => span !== kept);
    expect(other?.parentSpanContext).toBeUndefined();
    expect(processed.map(({ parentSpanContext }) => parentSpanContext?.spanId).toSorted()).toEqual(
      [spanIdOf(request), spanIdOf(other)].toSorted(),
    );
  } finally {
    await app.close();
  }
});
