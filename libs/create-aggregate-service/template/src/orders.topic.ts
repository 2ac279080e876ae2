import { defineTopic } from 'nestjs-aggregate-transport';

export interface Opened {
  readonly owner: string;
}

export interface Added {
  readonly amount: number;
}

export interface Closed {
  readonly reason: string;
}

/** The topic and its event types. Keep it in a file of its own, which imports none of its users. */
export const ordersTopic = defineTopic<{ Opened: Opened; Added: Added; Closed: Closed }>('orders');
