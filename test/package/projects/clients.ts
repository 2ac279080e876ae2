// Which NATS client works in this project: for each choice, what it publishes with, or what the start says.
import 'reflect-metadata';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  AggregateClient,
  type AggregatePublisher,
  AggregateTransportModule,
  getAggregatePublisherToken,
  type NatsClientName,
} from 'nestjs-aggregate-transport';

const servers = process.env['NATS_URL'] ?? '';

function moduleOf(client: NatsClientName | undefined): Type {
  const choice = client === undefined ? {} : { client };
  @Module({
    imports: [
      AggregateTransportModule.forRoot({ servers, topics: { clients: {} }, ...choice }),
      AggregateTransportModule.forFeature(['clients']),
    ],
  })
  class AppModule {}
  return AppModule;
}

async function clientUsed(client: NatsClientName | undefined): Promise<string> {
  const app = await NestFactory.createApplicationContext(moduleOf(client), {
    ...{ logger: false as const, abortOnError: false },
  });
  try {
    const publisher = app.get<AggregatePublisher>(getAggregatePublisherToken('clients'));
    await publisher.publish({ aggregateId: 'a', type: 'Tried', payload: 1 });
    const [connection] = app.get(AggregateClient).unwrap<Map<string, object>>().values();
    return connection !== undefined && 'jetstream' in connection ? 'nats' : 'nats-io';
  } finally {
    await app.close();
  }
}

async function main(): Promise<void> {
  const found: string[] = [];
  for (const client of [undefined, 'nats', 'nats-io'] as const) {
    const used = await clientUsed(client).catch((error: unknown) => (error as Error).message);
    found.push(`${client ?? 'no choice'}: ${used}`);
  }
  console.log(found.join('\n'));
}

void main();
