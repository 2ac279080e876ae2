import { AggregateTransportError } from '../errors.js';

declare const WHY: unique symbol;

/** What the compiler shows where a payload is declared that JSON cannot carry. No value has this type. */
export interface NotJson<Why extends string> {
  /** The reason, for the message of the compiler. */
  readonly [WHY]: Why;
}

/** An item of a list: JSON has no undefined there. */
type JsonItem<T> = unknown extends T
  ? T
  : T extends undefined
    ? NotJson<'undefined in a list arrives as null: declare null'>
    : Jsonable<T>;

/** An object, member by member. A class with private members is more than its members. */
type JsonObject<T> =
  Pick<T, keyof T> extends T
    ? { [K in keyof T]: Jsonable<T[K]> }
    : NotJson<'private members of a class do not arrive: declare an interface'>;

/** An interface with a name and a message is like an Error; one with a stack that may be missing is taken for one. */
type JsonError<T> = T extends { readonly stack?: unknown }
  ? 'stack' extends keyof T
    ? undefined extends T['stack']
      ? NotJson<'an Error arrives as {}: declare what the handler needs of it'>
      : JsonObject<T>
    : JsonObject<T>
  : JsonObject<T>;

/**
 * `T` itself if a handler gets from JSON what `T` says; otherwise a type that nothing fits, and that says why. Plain
 * values, lists, objects, optional members and unions of them pass, and so do `unknown` and `any`.
 */
export type Jsonable<T> = unknown extends T
  ? T
  : T extends string | number | boolean | null | undefined
    ? T
    : T extends bigint
      ? NotJson<'JSON has no bigint: declare string'>
      : T extends symbol | ((...args: never[]) => unknown) | (abstract new (...args: never[]) => unknown)
        ? NotJson<'JSON leaves functions and symbols out: declare the data alone'>
        : T extends Date
          ? NotJson<'a Date arrives as text: declare string'>
          : T extends { toJSON: (...args: never[]) => unknown }
            ? NotJson<'it arrives as what its toJSON gives: declare that'>
            : T extends PromiseLike<unknown>
              ? NotJson<'a promise arrives as {}: await it'>
              : T extends ReadonlyMap<unknown, unknown>
                ? NotJson<'a Map arrives as {}: declare Record, or a list of pairs'>
                : T extends ReadonlySet<unknown>
                  ? NotJson<'a Set arrives as {}: declare a list'>
                  : T extends ArrayBuffer | ArrayBufferView
                    ? NotJson<'bytes do not arrive as bytes: declare string, such as base64'>
                    : T extends readonly (infer Item)[]
                      ? readonly JsonItem<Item>[]
                      : T extends Error
                        ? JsonError<T>
                        : JsonObject<T>;

/** Event types with payloads that JSON carries. */
export type JsonEvents<M> = { [K in keyof M]: Jsonable<M[K]> };

/** Where JSON would change a payload, and how. */
export interface Loss {
  /** Such as `.lines[3].at`. */
  readonly path: string;
  readonly what: string;
}

const PLAIN_KEY = /^[A-Za-z_$][\w$]{0,39}$/;

/** Classes that JSON empties or breaks up, although a subclass may add members that it writes. */
const LOSSY = new Map([
  ['Map', 'a Map, which arrives as {}'],
  ['Set', 'a Set, which arrives as {}'],
  ['Error', 'an Error, which arrives without its message'],
]);

/** True for what `{}` makes, also in another realm, and for an object without a prototype. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === Object.prototype || prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null;
}

/**
 * Checks a payload that JSON has written: a handler must get what was published. Members that are undefined may be
 * missing, and what has a `toJSON` is what that gives.
 * @throws PAYLOAD_NOT_SERIALIZABLE with the place, never with its content
 */
export function requireJson(payload: unknown, type: string): void {
  const loss = payload === undefined ? undefined : lossIn(payload);
  if (loss !== undefined) throw lossError(loss, type);
}

/** The error of a payload that JSON cannot carry. */
export function lossError({ path, what }: Loss, type: string, cause?: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'PAYLOAD_NOT_SERIALIZABLE',
    `expected a payload that JSON carries, found that payload${path} of event type "${type}" is ${what}; ` +
      'nothing was sent: pass plain data, or give the topic a codec that carries it',
    { cause },
  );
}

/** JSON has written the value before, so it is no cycle and not too deep. */
function lossIn(value: unknown, mayConvert = true): Loss | undefined {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? undefined : lost(`${value}, which arrives as null`);
    case 'object':
      if (value === null) return undefined;
      return Array.isArray(value) ? lossInList(value) : lossInObject(value, mayConvert);
    case 'function':
    case 'symbol':
      return lost(`a ${typeof value}, which JSON leaves out`);
    case 'bigint':
    case 'boolean':
    case 'string':
    case 'undefined':
      return undefined;
  }
}

function lossInList(list: readonly unknown[]): Loss | undefined {
  for (let index = 0; index < list.length; index++) {
    const item = list[index];
    if (typeof item === 'string') continue;
    const loss = item === undefined ? lost('undefined, which arrives as null') : lossIn(item);
    if (loss !== undefined) return { path: `[${index}]${loss.path}`, what: loss.what };
  }
  return undefined;
}

function lossInObject(value: object, mayConvert: boolean): Loss | undefined {
  if (isPlainObject(value)) return lossInMembers(value, mayConvert);
  if (mayConvert && hasToJson(value)) return lossInConverted(value);
  const what = lossOfClass(value);
  if (what !== '') return lost(what);
  if (Object.keys(value).length === 0) return lost(`${nameOf(value)}, which arrives as {}`);
  return lossInMembers(value, mayConvert);
}

function lossInMembers(value: object, mayConvert: boolean): Loss | undefined {
  for (const key in value) {
    const member = (value as Record<string, unknown>)[key];
    if (typeof member === 'string') continue;
    if (key === 'toJSON' && typeof member === 'function') {
      if (mayConvert) return lossInConverted(value as WithToJson);
      continue;
    }
    const loss = lossIn(member);
    // Classes of the platform have members on their prototypes that a loop meets.
    if (loss === undefined || !Object.hasOwn(value, key)) continue;
    return { path: memberPath(key) + loss.path, what: loss.what };
  }
  return undefined;
}

/** The place of a member in its object; a key that may be data is not shown. */
export function memberPath(key: string): string {
  return PLAIN_KEY.test(key) ? `.${key}` : '[…]';
}

/** By prototype: asking an object for its class costs as much as writing a member of it. */
const lossOfPrototype = new WeakMap<object, string>();

/** What every object of the class loses; '' if nothing. */
function lossOfClass(value: object): string {
  const prototype = Object.getPrototypeOf(value) as object;
  const known = lossOfPrototype.get(prototype);
  if (known !== undefined) return known;
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  let what = LOSSY.get(tag) ?? '';
  if (ArrayBuffer.isView(value)) what = `a ${tag}, which arrives as an object of numbers`;
  else if (typeof (value as { then?: unknown }).then === 'function') what = 'a promise, which arrives as {}';
  lossOfPrototype.set(prototype, what);
  return what;
}

function nameOf(value: object): string {
  const name: unknown = (value.constructor as { name?: unknown } | undefined)?.name;
  return typeof name === 'string' && PLAIN_KEY.test(name) ? `an object of class ${name}` : 'an object';
}

interface WithToJson {
  toJSON(key: string): unknown;
}

function hasToJson(value: object): value is WithToJson {
  return typeof (value as Partial<WithToJson>).toJSON === 'function';
}

/** JSON writes the result as it is: a `toJSON` of the result is not called. */
function lossInConverted(value: WithToJson): Loss | undefined {
  const result = value.toJSON('');
  if (result === undefined) return lost('an object whose toJSON gives nothing');
  if (result === null && value instanceof Date) return lost('an invalid Date, which arrives as null');
  return lossIn(result, false);
}

function lost(what: string): Loss {
  return { path: '', what };
}
