// How much old memory grows while entries pass through a map: prints bytes. Started by unit/passing-map.spec.ts with
// `engine` for the engine's own map, or `passing`.
import { getHeapSpaceStatistics } from 'node:v8';
import { PassingMap } from '#library/passing-map.js';

const ENTRIES = 300_000;
const AT_ONCE = 400;
const LOOK_EVERY = 1_000;
const AGING = 3_000_000;

function oldBytes(): number {
  const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space');
  return space?.space_used_size ?? Number.NaN;
}

const map = process.argv[2] === 'engine' ? new Map<string, object>() : new PassingMap<string, object>();
map.set('first', {});
// Its table grows old while nothing is set, as in a service that has just started.
let garbage: unknown;
for (let n = 0; n < AGING; n++) garbage = [n, garbage === undefined];
map.delete('first');
const start = oldBytes();
let highest = start;
for (let n = 0; n < ENTRIES; n++) {
  map.set(`key-${n}`, { place: n, list: [n, n, n, n] });
  map.delete(`key-${n - AT_ONCE}`);
  if (n % LOOK_EVERY === 0) highest = Math.max(highest, oldBytes());
}
console.log(highest - start);
