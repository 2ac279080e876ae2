import 'reflect-metadata';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AggregateServer } from 'nestjs-aggregate-transport';
import { AppModule } from './app.module.js';

/** The service with its handlers running. Port 0 is a free one. */
export async function startApp(port: number): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule);
  app.connectMicroservice({ strategy: app.get(AggregateServer) }, { inheritAppConfig: true });
  app.enableShutdownHooks(); // on SIGTERM running handlers end, and their place is written down
  await app.init();
  await app.startAllMicroservices();
  await app.listen(port);
  return app;
}
