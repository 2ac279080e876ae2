import { AggregateTransportError } from '../errors.js';
import type { JsonEvents } from './json.js';

/** Event types of a topic and their payloads. */
export type EventMap = Record<string, unknown>;

declare const EVENTS: unique symbol;

/** A topic that knows its event types. At run time it is its name and nothing else. */
export interface Topic<M extends object = EventMap> {
  readonly name: string;
  /** Exists for the compiler only. */
  readonly [EVENTS]?: M;
}

/** A topic, or its bare name where no types are wanted. */
export type TopicRef = string | Topic<object>;

/** The event map behind a topic reference. */
export type EventsOf<T> = T extends Topic<infer M> ? M : EventMap;

/** Names that are safe as stream, consumer and key names and as one subject token. */
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** @throws OPTIONS_INVALID */
export function checkName(kind: 'topic' | 'group', name: string): void {
  if (typeof name === 'string' && NAME.test(name)) return;
  throw new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected a ${kind} name of 1 to 64 letters, digits, "_" or "-", found ${JSON.stringify(name)}; choose another name`,
  );
}

/**
 * Declares a topic and the payload of each of its event types; publishers and handlers are then checked by the
 * compiler. So is that a handler gets what the type says: a Date would arrive as text and a Map as `{}`, so neither
 * compiles. For a topic whose codec carries more: `defineTopic('orders') as Topic<{ OrderPaid: { at: Date } }>`.
 *
 * @example
 * export const orders = defineTopic<{ OrderPlaced: OrderPlaced; OrderShipped: OrderShipped }>('orders');
 * @throws OPTIONS_INVALID if the name is not 1 to 64 letters, digits, `_` or `-`
 */
export function defineTopic<M extends JsonEvents<M> & object = EventMap>(name: string): Topic<M> {
  checkName('topic', name);
  return Object.freeze({ name });
}

export function topicNameOf(topic: string | { readonly name: string }): string {
  return typeof topic === 'string' ? topic : topic.name;
}
