import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AggregateServer } from 'nestjs-aggregate-transport';
import { AppModule } from './app.module.js';

const app = await NestFactory.create<NestExpressApplication>(AppModule);
app.useBodyParser('json', { limit: '8mb' });
app.connectMicroservice({ strategy: app.get(AggregateServer) }, { inheritAppConfig: true });
app.enableShutdownHooks();
await app.init();
await app.startAllMicroservices();
await app.listen(Number(process.env['PORT'] ?? 3000), process.env['HOST'] ?? '127.0.0.1');
