import type { EventOf } from 'nestjs-aggregate-transport';
import type { orders } from '../../orders/src/orders.topic.js';

export type OrderEvent = EventOf<typeof orders>;

/** What an order's invoice must look like in the end. */
export interface ExpectedInvoice {
  readonly orderId: string;
  readonly cents: number;
  readonly items: number;
}

const FIXED_EVENTS = 3;

/**
 * Makes up orders: placed, some items, paid, shipped. Their events come interleaved, as the events of many
 * customers do; each order's are numbered in `aggregateVersion`.
 */
export function orderStories(
  orderCount: number,
  eventCount: number,
): { events: OrderEvent[]; invoices: ExpectedInvoice[] } {
  const itemsPerOrder = Math.max(1, Math.round(eventCount / orderCount) - FIXED_EVENTS);
  const stories = Array.from({ length: orderCount }, (_, index) =>
    storyOf(`order-${index + 1}`, itemsPerOrder),
  );
  const events: OrderEvent[] = [];
  for (let step = 0; step < itemsPerOrder + FIXED_EVENTS; step++) {
    for (const { events: story } of stories) {
      const event = story[step];
      if (event !== undefined) events.push(event);
    }
  }
  return { events, invoices: stories.map(({ invoice }) => invoice) };
}

function storyOf(orderId: string, items: number): { events: OrderEvent[]; invoice: ExpectedInvoice } {
  let version = 0;
  let cents = 0;
  const head = (): { aggregateId: string; aggregateVersion: number; eventId: string } => ({
    aggregateId: orderId,
    aggregateVersion: ++version,
    eventId: `${orderId}-${version}`,
  });
  const events: OrderEvent[] = [
    { ...head(), type: 'OrderPlaced', payload: { customer: `customer of ${orderId}` } },
  ];
  for (let item = 1; item <= items; item++) {
    cents += item * 100;
    events.push({ ...head(), type: 'ItemAdded', payload: { sku: `sku-${item}`, cents: item * 100 } });
  }
  events.push({ ...head(), type: 'OrderPaid', payload: { cents } });
  events.push({ ...head(), type: 'OrderShipped', payload: { carrier: 'bicycle' } });
  return { events, invoice: { orderId, cents, items } };
}
