/** Errors that hurt their reader. Each call makes new ones. */
export function hostileErrors(): unknown[] {
  const throws = (): never => {
    throw new Error('must not be read');
  };
  const withGetter = (name: string): Error => Object.defineProperty(new Error('x'), name, { get: throws });
  const bare: unknown = Object.create(null);
  const circular = new Error('circular');
  circular.cause = circular;
  const traps = Object.fromEntries(
    ['get', 'has', 'getPrototypeOf', 'ownKeys', 'getOwnPropertyDescriptor'].map((trap) => [trap, throws]),
  );
  return [
    withGetter('message'),
    withGetter('stack'),
    withGetter('name'),
    withGetter('cause'),
    Object.assign(new Error('x'), { toString: throws, toJSON: throws, valueOf: throws }),
    Object.assign(new Error('x'), { getResponse: throws }),
    Object.assign(new Error(), { message: { toString: throws } }),
    Object.assign(new Error(), { message: Symbol('no text') }),
    {
      toString: throws,
      get message(): never {
        return throws();
      },
    },
    bare,
    circular,
    new Proxy({}, traps),
    new Proxy(new Error('x'), traps),
    new Proxy(() => undefined, traps),
    Object.defineProperty({}, 'then', { get: throws }),
    Symbol('thrown'),
    undefined,
    null,
    0n,
    'a text',
  ];
}

/** Makers of answers where another kind of value is expected. Some reject later: one that is made must be answered. */
export const NONSENSE: readonly (() => unknown)[] = [
  () => Promise.resolve('park'),
  () => Promise.reject(new Error('too late')),
  () => ({ then: (_: unknown, reject: (error: Error) => void) => reject(new Error('too late')) }),
  () =>
    Object.defineProperty({}, 'then', {
      get: () => {
        throw new Error('must not be read');
      },
    }),
  () => 'parked',
  () => '',
  () => null,
  () => 0,
  () => Number.NaN,
  () => true,
  () => Symbol('answer'),
  () => ({}),
  () => [],
  () => () => 'park',
  () => new Proxy({}, {}),
];
