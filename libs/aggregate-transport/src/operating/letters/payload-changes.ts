/** A change of one place in a JSON value; undefined: nothing stood there, or stands there now. */
export interface PayloadChange {
  /** As `lines[0].price`; empty for the whole value. */
  readonly path: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** What differs between two JSON values, place by place, in the order of the places. Pure. */
export function changesBetween(before: unknown, after: unknown): PayloadChange[] {
  const [old, now] = [flat(before), flat(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .map((path) => ({ path, before: old.get(path), after: now.get(path) }))
    .filter((change) => change.before !== change.after);
}

function flat(value: unknown, path = '', places = new Map<string, string>()): Map<string, string> {
  const isEmpty = typeof value !== 'object' || value === null || Object.keys(value).length === 0;
  if (isEmpty) return places.set(path, JSON.stringify(value));
  for (const [key, inner] of Object.entries(value)) {
    const step = Array.isArray(value) ? `[${key}]` : `${path === '' ? '' : '.'}${key}`;
    flat(inner, path + step, places);
  }
  return places;
}
