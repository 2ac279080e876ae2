import { Controller, Inject, Injectable, Module } from '@nestjs/common';
import { ClientKafka, ClientsModule, EventPattern, Payload, Transport } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';

interface OrderPaid {
  readonly cents: number;
  readonly order: string;
}

// #region before
@Injectable()
export class Orders {
  constructor(@Inject('EVENTS') private readonly client: ClientKafka) {}

  async pay(order: string, cents: number): Promise<void> {
    await lastValueFrom(
      this.client.emit('orders', { key: order, value: { order, cents } satisfies OrderPaid }),
    );
  }
}

@Controller()
export class Billing {
  @EventPattern('orders')
  async paid(@Payload() { order, cents }: OrderPaid): Promise<void> {
    await charge(order, cents); // an error is tried again, and the whole partition waits for it
  }
}

@Module({
  imports: [
    ClientsModule.register([
      { name: 'EVENTS', transport: Transport.KAFKA, options: { client: { brokers: ['127.0.0.1:9092'] } } },
    ]),
  ],
  controllers: [Billing],
  providers: [Orders],
})
export class AppModule {}
// main.ts: app.connectMicroservice({ transport: Transport.KAFKA, options })
// #endregion

async function charge(order: string, cents: number): Promise<void> {
  await Promise.resolve({ order, cents });
}
