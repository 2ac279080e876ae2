/** Mulberry32: the same seed draws the same numbers on every machine. */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A generator for one purpose of one seed, so that drawing more for one purpose changes no other. */
export function randomFor(seed: number, ...purpose: readonly number[]): () => number {
  let mixed = seed | 0;
  for (const part of purpose) mixed = Math.imul(mixed ^ (part + 0x9e3779b9), 0x85ebca6b) ^ (mixed >>> 13);
  return randomOf(mixed);
}

export function between(random: () => number, least: number, most: number): number {
  return Math.round(least + random() * (most - least));
}

/** The same items in a drawn order. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

/** The item drawn at a tick, of one item at least. All come before any comes again, so a long run has each of them. */
export function drawn<T>(items: readonly T[], tick: number, seed: number, purpose: number): T {
  const round = Math.floor(tick / items.length);
  const item = shuffled(items, randomFor(seed, purpose, round))[tick % items.length];
  if (item === undefined) throw new Error('expected items to draw from, found none');
  return item;
}
