import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  AggregateHandler,
  AggregateServer,
  AggregateTransportModule,
  type AggregateTransportOptions,
} from 'nestjs-aggregate-transport';

// An ordinary bootstrap, in a process of its own: it must be able to end by itself. `waiting` waits for a server that
// is not there, `undeclared` has a handler of an undeclared topic, `mismatch` finds streams that differ.

const [story = '', servers = ''] = process.argv.slice(2);

@Controller()
class Undeclared {
  @AggregateHandler('nowhere')
  handle() {}
}

const OPTIONS: Readonly<Record<string, Omit<AggregateTransportOptions, 'servers'>>> = {
  waiting: { connection: { waitOnFirstConnect: true }, topics: { 'ends-alone': {} } },
  undeclared: { group: 'g', topics: { 'ends-alone': {} } },
  mismatch: { topics: { 'ends-alone': {}, 'ends-too': { stream: { provision: 'verify' } } } },
};

@Module({
  imports: [AggregateTransportModule.forRoot({ servers, ...OPTIONS[story]! })],
  controllers: story === 'undeclared' ? [Undeclared] : [],
})
class App {}

async function main(): Promise<void> {
  const app = await NestFactory.create(App, { logger: false, abortOnError: false });
  app.enableShutdownHooks();
  if (story === 'undeclared') app.connectMicroservice({ strategy: app.get(AggregateServer) });
  if (story === 'waiting') console.log('waiting');
  await app.init();
  await app.startAllMicroservices();
}

main().catch((error: unknown) => console.log('failed', (error as { code?: string }).code));
