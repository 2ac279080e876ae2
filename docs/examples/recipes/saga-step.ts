import { Controller, Module } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateTransportModule,
  defineTopic,
  InjectAggregatePublisher,
  type PublisherOf,
} from 'nestjs-aggregate-transport';

export interface TripBooked {
  readonly cents: number;
}
export interface TripCancelled {
  readonly reason: string;
}
export const trips = defineTopic<{ TripBooked: TripBooked; TripCancelled: TripCancelled }>('trips');
export const payments = defineTopic<{
  PaymentAsked: { trip: string; cents: number };
  PaymentFailed: { trip: string; reason: string };
}>('payments');

// #region saga
@Controller()
export class TripSaga {
  constructor(
    @InjectAggregatePublisher(trips) private readonly toTrips: PublisherOf<typeof trips>,
    @InjectAggregatePublisher(payments) private readonly toPayments: PublisherOf<typeof payments>,
  ) {}

  @AggregateHandler(trips, { type: 'TripBooked' })
  async booked(@Payload() { cents }: TripBooked, @Ctx() ctx: AggregateContext): Promise<void> {
    const trip = ctx.aggregateId;
    const aggregateId = `pay-${trip}`;
    await ctx.publish(this.toPayments, { aggregateId, type: 'PaymentAsked', payload: { trip, cents } });
  }

  @AggregateHandler(payments, { type: 'PaymentFailed' }) // takes the booking back
  async failed(
    @Payload() { trip, reason }: { trip: string; reason: string },
    @Ctx() ctx: AggregateContext,
  ): Promise<void> {
    await ctx.publish(this.toTrips, { aggregateId: trip, type: 'TripCancelled', payload: { reason } });
  }
}
// #endregion

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222',
      group: 'trip-saga',
      topics: { trips: {}, payments: {} },
    }),
    AggregateTransportModule.forFeature([trips, payments]),
  ],
  controllers: [TripSaga],
})
export class AppModule {}
