import { pathToFileURL } from 'node:url';
import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AggregateServer } from 'nestjs-aggregate-transport';

// Runs a recipe as a service of its own: FILE has an AppModule. Says where it listens once it handles events.

const [, , file = '', role] = process.argv;
const { AppModule } = (await import(pathToFileURL(file).href)) as { AppModule: Type };
const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'], abortOnError: false });
if (role !== 'publishes')
  app.connectMicroservice({ strategy: app.get(AggregateServer) }, { inheritAppConfig: true });
app.enableShutdownHooks();
await app.init();
if (role !== 'publishes') await app.startAllMicroservices();
await app.listen(0, '127.0.0.1');
console.log(`serves ${await app.getUrl()}`);
