import type { AggregateEvent } from './event.js';
import type { StoredEvent } from './stored-event.js';
import type { EventsOf, InputsOf } from './topic.js';

/** A type's name; where any name will do, just text: the compiler takes apart unions of few names only. */
type NameIn<M, P extends string> = string extends keyof M ? string : P;

/**
 * The events of an event map, or of the types `K` of it: a union with one member per type. So every payload stays
 * with its own type, in a list of many types too, and a check of `event.type` narrows `event.payload`.
 */
export type EventIn<M, K extends keyof M & string = keyof M & string> = {
  [P in K]: AggregateEvent<M[P], NameIn<M, P>>;
}[K];

/** As {@link EventIn}, as the stream holds them. */
export type StoredEventIn<M, K extends keyof M & string = keyof M & string> = {
  [P in K]: StoredEvent<M[P], NameIn<M, P>>;
}[K];

/** Every event that can be published to a topic, as a union over its types: `EventOf<typeof orders>`. */
export type EventOf<T> = EventIn<InputsOf<T>>;

/** Every event a topic's stream can hold, as a union over its types: `StoredEventOf<typeof orders>`. */
export type StoredEventOf<T> = StoredEventIn<EventsOf<T>>;
