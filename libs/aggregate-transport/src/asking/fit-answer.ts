import type { GroupAnswer } from './answers.js';

type Left = NonNullable<GroupAnswer['left']>;

/** In this order parts of an answer are shortened: partitions last. */
const LISTS = ['worst', 'problems', 'partitions'] as const;

/**
 * The answer as JSON of at most `maxBytes`, unless even without lists it is longer. Each list begins with what matters
 * most, so its end is left out, and `left` counts that. Pure.
 */
export function fittedJson(answer: GroupAnswer, maxBytes: number): string {
  let text = JSON.stringify(answer);
  if (Buffer.byteLength(text) <= maxBytes) return text;
  let fitted = answer;
  const left: { -readonly [K in keyof Left]: Left[K] } = {};
  for (const name of LISTS) {
    const all = fitted[name] ?? [];
    let [fits, tooMany] = [0, all.length];
    // The longest beginning that fits, found by halving.
    while (tooMany - fits > 1) {
      const count = Math.floor((fits + tooMany) / 2);
      if (sizeOf(cut(fitted, name, count, left)) <= maxBytes) fits = count;
      else tooMany = count;
    }
    fitted = cut(fitted, name, fits, left);
    left[name] = all.length - fits;
    text = JSON.stringify({ ...fitted, left });
    if (Buffer.byteLength(text) <= maxBytes) break;
  }
  return text;
}

function cut(answer: GroupAnswer, name: (typeof LISTS)[number], count: number, left: Left): GroupAnswer {
  const all = answer[name] ?? [];
  return { ...answer, [name]: all.slice(0, count), left: { ...left, [name]: all.length - count } };
}

function sizeOf(answer: GroupAnswer): number {
  return Buffer.byteLength(JSON.stringify(answer));
}
