import { AggregateTransportError } from '../errors.js';
import { kindOf } from '../foreign.js';

/** Event types of a topic and their payloads. */
export type EventMap = Record<string, unknown>;

declare const EVENTS: unique symbol;
declare const INPUTS: unique symbol;

/**
 * A topic that knows its event types: `M` are the payloads that handlers get, `I` those that `publish` takes. They
 * differ where a schema makes one of the other.
 */
export interface Topic<M extends object = EventMap, I extends object = M> {
  /** The name of its stream, and the first part of its subjects. */
  readonly name: string;
  /** Exists for the compiler only. */
  readonly [EVENTS]?: M;
  /** Exists for the compiler only. */
  readonly [INPUTS]?: I;
}

/** A topic, or its bare name where no types are wanted. */
export type TopicRef = string | Topic<object>;

/** The event map behind a topic reference: what handlers and `read` get. */
export type EventsOf<T> = T extends Topic<infer M, object> ? M : EventMap;

/** The event map behind a topic reference: what `publish` takes. */
export type InputsOf<T> = T extends Topic<object, infer I> ? I : EventMap;

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
