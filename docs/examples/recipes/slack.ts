import { Controller, Module } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import {
  AggregateHandler,
  type AggregateHooks,
  AggregateTransportModule,
  defineTopic,
} from 'nestjs-aggregate-transport';
import { Pool } from 'pg';
import { DatabaseModule } from './database.js';

export interface ParcelSent {
  readonly n: number;
}
export const parcels = defineTopic<{ ParcelSent: ParcelSent }>('parcels');

// #region slack
const ATTEMPTS = 3;
const WAIT_MS = 5_000;

async function tellSlack(text: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { ok, status } = await fetch(process.env['SLACK_WEBHOOK_URL'] ?? '', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ text }),
        signal: AbortSignal.timeout(WAIT_MS),
      });
      if (ok) return;
      throw new Error(`expected Slack to answer 200, found ${status}`);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error; // the library logs it
    }
  }
}

const hooks: AggregateHooks = {
  onParked: ({ topic, group, aggregateId, reason, attempts, error }) =>
    tellSlack(
      `:no_entry: *${aggregateId}* of \`${topic}\` is parked in \`${group}\` (${reason} after ${attempts}): ${error}\n` +
        `\`npx aggregate-transport parked show --topic ${topic} --group ${group} '${aggregateId}'\``,
    ),
  onUnparked: ({ topic, aggregateId }) =>
    tellSlack(`:white_check_mark: *${aggregateId}* of \`${topic}\` is live again`),
  onStuck: ({ topic, aggregateId, ageMs }) =>
    tellSlack(
      `:hourglass: the handler of *${aggregateId}* of \`${topic}\` has run for ${Math.round(ageMs / 1_000)} s`,
    ),
};
// #endregion

@Controller()
export class Courier {
  constructor(private readonly pool: Pool) {}

  @AggregateHandler(parcels, { type: 'ParcelSent', retry: { attempts: 3, firstDelayMs: 20 } })
  async sent(@Payload() { n }: ParcelSent): Promise<void> {
    await this.pool.query('insert into parcel (n) values ($1)', [n]);
  }
}

@Module({
  imports: [
    DatabaseModule,
    AggregateTransportModule.forRoot({
      servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222',
      group: 'courier',
      topics: { parcels: {} },
      hooks,
    }),
  ],
  controllers: [Courier],
})
export class AppModule {}
