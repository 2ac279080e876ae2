import 'reflect-metadata';
import { type LoggerService, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Logger, LoggerModule, NativeLogger } from 'nestjs-pino';
import { nestLog } from '#library/nest/nest-log.js';

// Says three lines of the library through a logger of nestjs-pino, which writes its records to stdout.
const KINDS: Readonly<Record<string, typeof Logger | typeof NativeLogger>> = { Logger, NativeLogger };

@Module({ imports: [LoggerModule.forRoot({ pinoHttp: { level: 'debug' } })] })
class App {}

const place = { topic: 'orders', group: 'billing', partition: 3, epoch: 7 };
const log = nestLog('AggregateTransport');
const app = await NestFactory.createApplicationContext(App, { bufferLogs: true });
log.write(
  'lease-lost',
  { ...place, why: 'cut off' },
  'topic "orders", group "billing", partition 3: lease lost',
);
log.write('transport-failed', place, 'it failed', new Error('boom'));
app.useLogger(app.get<LoggerService>(KINDS[process.argv[2] ?? '']!));
log.write('lease-held', place, 'held');
await app.close();
