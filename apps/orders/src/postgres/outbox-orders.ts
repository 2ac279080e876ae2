import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { EventOf } from 'nestjs-aggregate-transport';
import { InjectOutbox, type OutboxOf, type OutboxReceipt } from 'nestjs-aggregate-transport-postgres';
import { type ItemAdded, type OrderPlaced, orders } from '../orders.topic.js';
import { ServiceDatabase } from './service-database.js';

/** The relay alone can know the sequence of an aggregate's last event. */
type OrderEvent = EventOf<typeof orders> & { expectedSequence?: never };

export const ORDER_TABLES = `
  create table if not exists order_entry (event_id text primary key, order_id text not null, type text not null);`;

/** What `OrderService` does, with rows: an entry and its event are committed together, or neither is. */
@Injectable()
export class OutboxOrders {
  constructor(
    private readonly database: ServiceDatabase,
    @InjectOutbox(orders) private readonly outbox: OutboxOf<typeof orders>,
  ) {}

  place(id: string, order: OrderPlaced): Promise<OutboxReceipt> {
    return this.publishAll([{ aggregateId: id, type: 'OrderPlaced', payload: order }]);
  }

  addItem(id: string, item: ItemAdded): Promise<OutboxReceipt> {
    return this.publishAll([{ aggregateId: id, type: 'ItemAdded', payload: item }]);
  }

  pay(id: string, cents: number): Promise<OutboxReceipt> {
    return this.publishAll([{ aggregateId: id, type: 'OrderPaid', payload: { cents } }]);
  }

  ship(id: string, carrier: string): Promise<OutboxReceipt> {
    return this.publishAll([{ aggregateId: id, type: 'OrderShipped', payload: { carrier } }]);
  }

  /** A call that is repeated, because its answer was lost, changes nothing: entries are told apart by event id. */
  publishAll(events: OrderEvent[]): Promise<OutboxReceipt> {
    const named = events.map((event) => ({ ...event, eventId: event.eventId ?? randomUUID() }));
    return this.database.transaction(async (transaction) => {
      const { rows } = (await transaction.query(
        `insert into order_entry (event_id, order_id, type)
         select "eventId", "aggregateId", type
         from json_to_recordset($1::text::json) as e ("eventId" text, "aggregateId" text, type text)
         on conflict do nothing returning event_id as id`,
        [JSON.stringify(named)],
      )) as { rows: { id: string }[] };
      const fresh = new Set(rows.map(({ id }) => id));
      return this.outbox.add(
        transaction,
        named.filter(({ eventId }) => fresh.has(eventId)),
      );
    });
  }
}
