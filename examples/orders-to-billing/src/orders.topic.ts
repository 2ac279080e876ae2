import { defineTopic } from 'nestjs-aggregate-transport';

export const orders = defineTopic<{ Placed: { customer: string }; Paid: { cents: number } }>('orders');
