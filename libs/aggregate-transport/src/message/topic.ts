import { AggregateTransportError } from '../errors.js';
import { kindOf } from '../foreign.js';
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
  checkName('topic', requireTopicName(name, 'defineTopic'));
  return Object.freeze({ name });
}

/**
 * The name of a topic that a user gave to `place`, such as `@AggregateHandler`.
 * @throws OPTIONS_INVALID for what is no topic, above all an undefined one of a circular import
 */
export function topicNameOf(topic: TopicRef, place: string): string {
  if (typeof topic === 'string') return topic;
  const name = (topic as Partial<Topic> | null | undefined)?.name;
  if (typeof name === 'string') return name;
  throw noTopicError(`${place} to be given a topic or its name`, topic);
}

/**
 * The name itself, where a user must give a name.
 * @throws OPTIONS_INVALID for what is no text
 */
export function requireTopicName(name: string, place: string): string {
  if (typeof name === 'string') return name;
  throw noTopicError(`${place} to be given a topic's name`, name);
}

/** For something that is no topic. An undefined one was imported before its file had defined it. */
export function noTopicError(
  expected: string,
  found: unknown,
  remedy = 'give it what defineTopic made, or a name',
): AggregateTransportError {
  const what =
    found === undefined
      ? 'undefined; circular import? Its file may not have run yet: keep defineTopic in a file that imports none of its users'
      : `${kindOf(found)}; ${remedy}`;
  return new AggregateTransportError('OPTIONS_INVALID', `expected ${expected}, found ${what}`);
}
