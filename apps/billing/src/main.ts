import { NestFactory } from '@nestjs/core';
import { AggregateServer } from 'nestjs-aggregate-transport';
import { AppModule } from './app.module.js';

// #region main
const app = await NestFactory.create(AppModule);
app.connectMicroservice({ strategy: app.get(AggregateServer) }, { inheritAppConfig: true });
app.enableShutdownHooks();
await app.init();
await app.startAllMicroservices();
await app.listen(Number(process.env['PORT'] ?? 3001), process.env['HOST'] ?? '127.0.0.1');
// #endregion
