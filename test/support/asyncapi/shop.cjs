// An application as a CommonJS build has it, for test/integration/asyncapi-cli.spec.ts.
require('reflect-metadata');
const { setInterval } = require('node:timers');
const { Controller, Module } = require('@nestjs/common');
const { AggregateHandler, AggregateTransportModule, defineTopic } = require('nestjs-aggregate-transport');

const orders = defineTopic('orders');

class Billing {
  placed() {}
}
const method = Object.getOwnPropertyDescriptor(Billing.prototype, 'placed');
AggregateHandler(orders, { type: 'OrderPlaced' })(Billing.prototype, 'placed', method);
Object.defineProperty(Billing.prototype, 'placed', method);
Controller()(Billing);

class AppModule {
  constructor() {
    throw new Error('expected a document to construct nothing of the application');
  }
}
Module({
  imports: [
    AggregateTransportModule.forRoot({ group: 'billing', topics: { orders: {} } }),
    AggregateTransportModule.forFeature([orders]),
  ],
  controllers: [Billing],
})(AppModule);

// A pool that is made when the file is loaded keeps a process alive.
setInterval(() => undefined, 60_000);

Object.assign(module.exports, { AppModule, orders, again: AppModule });
