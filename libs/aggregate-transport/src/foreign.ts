/**
 * What comes out of code that is not ours: a hook, a codec, a handler. Reading such a value may run a getter or a trap
 * of a proxy, and that may throw.
 */

/** True for a value that has a `then`. A value that cannot be read has none. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  try {
    return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
  } catch {
    return false;
  }
}

/**
 * Hears the rejection of a promise whose answer is refused: nothing else would, and it would end the process. Safe for
 * any value.
 */
export function muteRejection(value: unknown): void {
  if (isThenable(value)) Promise.resolve(value).catch(() => undefined);
}

/** What kind of value a foreign call has answered, for an error text. Never the value itself. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (isThenable(value)) return 'a promise';
  return typeof value === 'object' ? 'an object' : `a value of type ${typeof value}`;
}
