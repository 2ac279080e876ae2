import { Controller, Module } from '@nestjs/common';
import { AggregateHandler } from 'nestjs-aggregate-transport';

// What a user gives to `verify --handlers`: a module with controllers, without decorators that only TypeScript knows.
class Shop {
  placed() {
    return Promise.resolve();
  }
}
Controller()(Shop);
const placed = Object.getOwnPropertyDescriptor(Shop.prototype, 'placed');
AggregateHandler('orders', { type: 'OrderPlaced' })(Shop.prototype, 'placed', placed);
Object.defineProperty(Shop.prototype, 'placed', placed);

class ShopModule {}
Module({ controllers: [Shop] })(ShopModule);

export { ShopModule as default };

export function event({ aggregateId, number }) {
  return { type: 'OrderPlaced', payload: { order: aggregateId, line: number } };
}
