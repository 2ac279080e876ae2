import { Controller, Module } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateTransportModule,
  defineTopic,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';

export interface Notice {
  readonly url: string;
  readonly body: unknown;
}
/** An aggregate is a customer's endpoint. */
export const webhooks = defineTopic<{ Notice: Notice }>('webhooks');

// #region webhooks
const GONE = 410;

@Controller()
export class WebhookSender {
  @AggregateHandler(webhooks, {
    type: 'Notice',
    timeoutMs: 10_000,
    retry: { attempts: 12, firstDelayMs: 500, factor: 3, maxDelayMs: 300_000 }, // about half an hour, then parked
  })
  async send(@Payload() { url, body }: Notice, @Ctx() ctx: AggregateContext): Promise<void> {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': ctx.eventId },
      body: JSON.stringify(body),
      signal: ctx.signal,
    });
    await response.body?.cancel();
    if (response.ok) return;
    const error = new Error(`expected the endpoint to answer 2xx, found ${response.status}`);
    throw response.status === GONE ? new UnrecoverableError(error) : error;
  }
}
// #endregion

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222',
      group: 'webhook-sender',
      topics: { webhooks: {} },
    }),
  ],
  controllers: [WebhookSender],
})
export class AppModule {}
