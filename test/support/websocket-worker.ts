import { wsconnect } from '@nats-io/nats-core';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { AggregateHandler } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from './app.js';

// A process that talks to NATS over WebSocket alone, at the address it is given: Node 20 has a WebSocket behind a flag.
const [, , servers = ''] = process.argv;

const handled = new Promise<number>((resolve) => {
  @Controller()
  class Handler {
    @AggregateHandler('web')
    handle(@Payload() payload: number): void {
      resolve(payload);
    }
  }
  void run(Handler);
});

async function run(controller: new () => object): Promise<void> {
  const app = await startApp({
    options: {
      connection: () => wsconnect({ servers, maxReconnectAttempts: -1 }),
      group: 'g',
      topics: { web: {} },
    },
    publishers: ['web'],
    controllers: [controller],
  });
  const { sequence } = await publisherOf(app, 'web').publish({ aggregateId: 'a', type: 'T', payload: 7 });
  console.log(`stored ${sequence}, handled ${await handled} over ws`);
  await app.close();
}
