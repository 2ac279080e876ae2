import 'reflect-metadata';
import { Controller, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AggregateHandler, AggregateServer, AggregateTransportModule } from 'nestjs-aggregate-transport';

// A service with many topics, in a process of its own: Node's warnings go to its output. `closing` shuts it down while
// it connects to a server that is not there.

const [story = '', servers = '', count = '', connectionMode = ''] = process.argv.slice(2);
const topics = Array.from({ length: Number(count) }, (_, index) => `topic-${index}`);

function handlerOf(topic: string): Type {
  @Controller()
  class Handler {
    @AggregateHandler(topic)
    handle(): void {
      // Nothing is published.
    }
  }
  return Handler;
}

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      ...{ servers, group: 'many', stream: { maxBytes: 1_048_576 }, parked: { maxBytes: 1_048_576 } },
      connectionMode: connectionMode === 'shared' ? 'shared' : 'perTopic',
      connection: { waitOnFirstConnect: true },
      topics: Object.fromEntries(topics.map((topic) => [topic, {}])),
    }),
    AggregateTransportModule.forFeature(topics),
  ],
  controllers: topics.map(handlerOf),
})
class App {}

const app = await NestFactory.create(App, { logger: false, abortOnError: false });
app.connectMicroservice({ strategy: app.get(AggregateServer) });
const started = app.init().then(() => app.startAllMicroservices());
if (story === 'closing') {
  await new Promise((resolve) => setTimeout(resolve, 300));
  started.catch(() => undefined);
} else {
  await started;
  console.log('started');
}
await app.close();
console.log('closed');
