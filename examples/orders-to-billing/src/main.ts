import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AggregateServer } from 'nestjs-aggregate-transport';
import { startNatsServer } from 'nestjs-aggregate-transport/testing';
import { BillingModule, Invoices } from './billing.service.js';
import { Orders, OrdersModule } from './orders.service.js';

const ORDERS = 30;
const WITHIN_MS = 20_000;

const nats = await startNatsServer();
process.env['NATS_URL'] = nats.url;
const quiet = { logger: ['error', 'fatal'] as ('error' | 'fatal')[] };

// In production each is a process of its own, and as many of each as you like.
const ordersApp = await NestFactory.createApplicationContext(OrdersModule, quiet);
const billingApp = await NestFactory.createMicroservice(BillingModule, {
  ...quiet,
  inject: [AggregateServer],
  useFactory: (strategy: AggregateServer) => ({ strategy }),
});
await billingApp.listen();

const ids = Array.from({ length: ORDERS }, (_, index) => String(index + 1));
await Promise.all(ids.map((id) => ordersApp.get(Orders).placeAndPay(id, `customer ${id}`, 250)));

const { seen } = billingApp.get(Invoices);
const isDone = () => ids.every((id) => (seen.get(id)?.length ?? 0) >= 2);
for (const until = Date.now() + WITHIN_MS; !isDone() && Date.now() < until;)
  await new Promise((resolve) => setTimeout(resolve, 20));

await billingApp.close();
await ordersApp.close();
await nats.stop();
const inOrder = ids.filter((id) => seen.get(id)?.join() === 'Placed,Paid').length;
console.log(`${inOrder} of ${ORDERS} orders were billed in order: Placed, then Paid`);
process.exitCode = inOrder === ORDERS ? 0 : 1;
