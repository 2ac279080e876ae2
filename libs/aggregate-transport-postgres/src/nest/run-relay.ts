import 'reflect-metadata';
import { ConsoleLogger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AggregateTransportModule, type AggregateTransportOptions } from 'nestjs-aggregate-transport';
import type { AggregatePostgresOptions } from '../options/options.js';
import { AggregatePostgresModule } from './aggregate-postgres.module.js';

export interface RunRelayOptions {
  readonly transport: AggregateTransportOptions;
  readonly postgres: AggregatePostgresOptions;
  /** The log as JSON lines. */
  readonly json: boolean;
}

/** Relays in a process of its own, until `ended` resolves; then what is on its way gets its mark. */
export async function runRelay(
  { transport, postgres, json }: RunRelayOptions,
  ended: Promise<void>,
): Promise<void> {
  @Module({
    imports: [AggregateTransportModule.forRoot(transport), AggregatePostgresModule.forRoot(postgres)],
  })
  class RelayModule {}

  // Nest's options are a class in name only.
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- see above
  const app = await NestFactory.createApplicationContext(RelayModule, { logger: false, abortOnError: false });
  app.useLogger(new ConsoleLogger({ json, logLevels: ['log', 'warn', 'error'] }));
  await ended;
  await app.close();
}
