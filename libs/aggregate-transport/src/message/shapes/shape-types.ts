import type { Jsonable } from '../json.js';
import type { EventsOf } from '../topic.js';
import type { InputOf, OutputOf, StandardSchemaV1 } from './standard-schema.js';
import type { Upcaster } from './topic-shapes.js';

declare const PAYLOAD: unique symbol;

/** Stands for a payload type that the compiler alone checks; see {@link type}. */
export interface TypeOnly<T> {
  /** Tells it from a schema. */
  readonly isTypeOnly: true;
  /** Exists for the compiler only. */
  readonly [PAYLOAD]?: T;
}

/** An event type with a version. */
export interface ShapeDefinition {
  /** The version of the payloads that are published and handled: a whole number from 1. */
  readonly version: number;
  /** Checks payloads of this version; of any library with Standard Schema, or `type<T>()` for no check at run time. */
  readonly schema: StandardSchemaV1 | TypeOnly<unknown>;
  /** By version `n`: makes a payload of version `n + 1` of one of version `n`. One for each version below `version`. */
  readonly upcast?: Readonly<Record<number, Upcaster>>;
}

/** By event type. */
export type TopicDefinition = Readonly<Record<string, ShapeDefinition | TypeOnly<unknown>>>;

type InputIn<D> =
  D extends TypeOnly<infer T>
    ? T
    : D extends { readonly schema: infer S }
      ? S extends StandardSchemaV1
        ? InputOf<S>
        : InputIn<S>
      : never;

type OutputIn<D> =
  D extends TypeOnly<infer T>
    ? T
    : D extends { readonly schema: infer S }
      ? S extends StandardSchemaV1
        ? OutputOf<S>
        : OutputIn<S>
      : never;

/** What `publish` takes, by event type. */
export type InputsIn<D> = { -readonly [K in keyof D]: InputIn<D[K]> };

/** What handlers and `read` get, by event type. */
export type OutputsIn<D> = { -readonly [K in keyof D]: OutputIn<D[K]> };

/** The definition itself if JSON carries what `publish` takes; where it does not, what the compiler shows says why. */
export type JsonDefinition<D> = {
  readonly [K in keyof D]: InputIn<D[K]> extends Jsonable<InputIn<D[K]>> ? D[K] : Jsonable<InputIn<D[K]>>;
};

/** What a handler of this event type gets: `PayloadOf<typeof orders, 'OrderPlaced'>`. */
export type PayloadOf<T, K extends keyof EventsOf<T> & string> = EventsOf<T>[K];
