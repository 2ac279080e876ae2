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

/** Contexts of Nest's own lines about modules and their parts. */
const OF_NEST = new Set<unknown>(['NestFactory', 'InstanceLoader']);

class RelayLogger extends ConsoleLogger {
  override log(message: unknown, ...rest: unknown[]): void {
    if (!OF_NEST.has(rest.at(-1))) super.log(message, ...rest);
  }
}

/**
 * Relays in a process of its own. `untilEnded` is called when the relay has started, and the relay ends when it
 * resolves: what is on its way gets its mark first.
 */
export async function runRelay(
  { transport, postgres, json }: RunRelayOptions,
  untilEnded: () => Promise<void>,
): Promise<void> {
  @Module({
    imports: [AggregateTransportModule.forRoot(transport), AggregatePostgresModule.forRoot(postgres)],
  })
  class RelayModule {}

  const colors = !json && (process.stdout.isTTY as boolean | undefined) === true;
  const logger = new RelayLogger({ json, colors, logLevels: ['log', 'warn', 'error'] });
  // Nest's options are a class in name only.
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- see above
  const app = await NestFactory.createApplicationContext(RelayModule, { logger, abortOnError: false });
  await untilEnded();
  await app.close();
}
