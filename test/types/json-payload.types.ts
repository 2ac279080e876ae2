// Compiled, never run, as typed-topic.types.ts: which payloads a typed topic takes. A handler gets what JSON makes of a
// payload, so a type that would lie about it is refused where the topic is declared.
import {
  defineTopic,
  type Jsonable,
  type NotJson,
  type PublisherOf,
  type Topic,
} from 'nestjs-aggregate-transport';

declare const BRAND: unique symbol;
type OrderId = string & { readonly [BRAND]: 'OrderId' };
enum Level {
  Low = 'low',
  High = 'high',
}
interface Line {
  readonly sku: string;
  quantity: number;
  note?: string;
}
interface Tree {
  name: string;
  children: Tree[];
}
type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
class Money {
  constructor(
    readonly cents: number,
    readonly currency: string,
  ) {}
}
/** What a service reports of something that failed looks like an Error, and is none. */
interface Failure {
  name: string;
  message: string;
}
interface Order {
  id: OrderId;
  level: Level;
  lines: readonly Line[];
  pair: [number, string];
  byCountry: Record<string, Line>;
  payment: { kind: 'card'; digits: string } | { kind: 'cash' };
  parent?: Order;
  note: string | undefined;
  refund: Money | null;
  failure?: Failure;
  paid: boolean;
}

// What JSON carries needs no thought: interfaces, classes of public fields, optional members, unions, recursion.
export const plain = defineTopic<{
  Placed: Order;
  Grown: Tree;
  Any: Json;
  Counted: number;
  Noted: string | null;
  Unknown: unknown;
  Listed: Line[];
  Money: Money;
}>('plain');

export function publishing(publisher: PublisherOf<typeof plain>, order: Order): void {
  void publisher.publish({ aggregateId: 'a', type: 'Placed', payload: order });
}

class Secret {
  readonly #cents: number;
  constructor(cents: number) {
    this.#cents = cents;
  }
  reveal(): number {
    return this.#cents;
  }
}
class OldSecret {
  constructor(
    private readonly cents: number,
    readonly currency: string,
  ) {}
  readonly shown = this.currency.length + this.cents;
}

// @ts-expect-error a Date arrives as text
defineTopic<{ Paid: { at: Date } }>('t');
// @ts-expect-error also where it may be missing
defineTopic<{ Paid: { at?: Date } }>('t');
// @ts-expect-error also deep down
defineTopic<{ Paid: { lines: { at: Date | null }[] } }>('t');
// @ts-expect-error a Map arrives as {}
defineTopic<{ Paid: { lines: Map<string, number> } }>('t');
// @ts-expect-error a Set arrives as {}
defineTopic<{ Paid: ReadonlySet<string> }>('t');
// @ts-expect-error a promise arrives as {}
defineTopic<{ Paid: Promise<number> }>('t');
// @ts-expect-error an Error arrives as {}
defineTopic<{ Failed: { error: Error } }>('t');
// @ts-expect-error and so does any kind of it
defineTopic<{ Failed: { error: TypeError } }>('t');
// @ts-expect-error no bigint in JSON
defineTopic<{ Paid: { cents: bigint } }>('t');
// @ts-expect-error nor a function
defineTopic<{ Paid: { undo: () => void } }>('t');
// @ts-expect-error nor a symbol
defineTopic<{ Paid: { tag: symbol } }>('t');
// @ts-expect-error bytes arrive as an object of numbers
defineTopic<{ Paid: { bytes: Uint8Array } }>('t');
// @ts-expect-error a Buffer arrives as what its toJSON gives
defineTopic<{ Paid: { bytes: Buffer } }>('t');
// @ts-expect-error private fields do not arrive
defineTopic<{ Paid: Secret }>('t');
// @ts-expect-error nor does TypeScript's private promise to be any field of another process
defineTopic<{ Paid: { price: OldSecret } }>('t');
// @ts-expect-error undefined in a list arrives as null
defineTopic<{ Paid: (string | undefined)[] }>('t');
// @ts-expect-error one such type among good ones
defineTopic<{ Placed: Order; Paid: { at: Date } }>('t');

/** The refusal says why. */
export const why: Jsonable<Date> extends NotJson<infer Why> ? Why : never =
  'a Date arrives as text: declare string';

/** The door for a topic whose codec carries more. */
export const own = defineTopic('own') as Topic<{ Paid: { at: Date; lines: Map<string, number> } }>;
export function publishingOwn(publisher: PublisherOf<typeof own>): void {
  void publisher.publish({ aggregateId: 'a', type: 'Paid', payload: { at: new Date(), lines: new Map() } });
}

/** So is the door open to types that are not known here. */
export const bare = defineTopic('bare');
