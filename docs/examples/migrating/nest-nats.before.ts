import { Controller, Inject, Injectable, Module } from '@nestjs/common';
import { ClientProxy, ClientsModule, EventPattern, Payload, Transport } from '@nestjs/microservices';

interface OrderPaid {
  readonly order: string;
  readonly cents: number;
}

// #region before
@Injectable()
export class Orders {
  constructor(@Inject('EVENTS') private readonly client: ClientProxy) {}

  pay(order: string, cents: number): void {
    this.client.emit('orders.paid', { order, cents } satisfies OrderPaid); // sent, or not
  }
}

@Controller()
export class Billing {
  @EventPattern('orders.paid')
  async paid(@Payload() { order, cents }: OrderPaid): Promise<void> {
    await charge(order, cents); // runs beside the handler of the event before; an error is logged, and that is all
  }
}

@Module({
  imports: [
    ClientsModule.register([
      { name: 'EVENTS', transport: Transport.NATS, options: { servers: ['nats://127.0.0.1:4222'] } },
    ]),
  ],
  controllers: [Billing],
  providers: [Orders],
})
export class AppModule {}
// main.ts: app.connectMicroservice({ transport: Transport.NATS, options: { servers, queue: 'billing' } })
// #endregion

async function charge(order: string, cents: number): Promise<void> {
  await Promise.resolve({ order, cents });
}
