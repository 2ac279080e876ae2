import { defineTopic } from 'nestjs-aggregate-transport';

export interface OrderPlaced {
  customer: string;
}
export interface ItemAdded {
  sku: string;
  cents: number;
}
export interface OrderPaid {
  cents: number;
}
export interface OrderShipped {
  carrier: string;
}

/** What happens to an order. The aggregate is the order; its id is the order number. */
export const orders = defineTopic<{
  OrderPlaced: OrderPlaced;
  ItemAdded: ItemAdded;
  OrderPaid: OrderPaid;
  OrderShipped: OrderShipped;
}>('orders');
