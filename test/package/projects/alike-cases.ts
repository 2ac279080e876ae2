// The combinations that are called both ways.
import { type Alike, runBothWays } from './alike.js';
import { FILTERS, GUARDS, HANDLERS, INTERCEPTORS, PIPES } from './alike-parts.js';

const guards = Object.keys(GUARDS);
const interceptors = Object.keys(INTERCEPTORS);
const pipes = Object.keys(PIPES);
const filters = Object.keys(FILTERS);
const handlers = Object.keys(HANDLERS);
const PLACES = [undefined, 'class', 'made by Nest'] as const;
const PARAMETERS = ['usual', 'none', 'id', 'part', 'custom', 'failing', 'piped'] as const;
/** Handlers of each kind: at once, later, failing, several values. */
const FOUR = ['gives a value', 'gives a promise', 'throws', 'gives a stream'];
const FAILING: readonly Omit<Alike, 'filters'>[] = [
  { handler: 'throws' },
  { handler: 'throws an RpcException' },
  { handler: 'gives a stream that fails' },
  { handler: 'gives a value', guards: ['false'] },
  { handler: 'gives a value', guards: ['throws an RpcException'] },
  { handler: 'gives a value', pipes: ['rejects'] },
  { handler: 'throws', interceptors: ['passes on'] },
  { handler: 'throws an RpcException', interceptors: ['sees values'] },
];

/** A small generator with a seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const pairs = <A, B>(left: readonly A[], right: readonly B[]): (readonly [A, B])[] =>
  left.flatMap((one) => right.map((other) => [one, other] as const));

/** All pairs of what may stand together, and random ones of everything. */
function allCases(random: () => number, samples: number): Alike[] {
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const some = (list: readonly string[], most: number): string[] =>
    Array.from({ length: Math.floor(random() * (most + 1)) }, () => one(list));
  return [
    ...pairs(guards, handlers).map(([guard, handler]): Alike => ({ guards: [guard], handler })),
    ...pairs(guards, guards).map((pair): Alike => ({ guards: pair, handler: 'throws' })),
    ...pairs(interceptors, handlers).flatMap(([interceptor, handler]): Alike[] => [
      { interceptors: [interceptor], handler },
      { interceptors: [interceptor], filters: ['answers a stream'], handler },
    ]),
    ...pairs(pairs(interceptors, interceptors), FOUR).map(([pair, handler]): Alike => ({
      interceptors: pair,
      handler,
    })),
    ...pairs(pipes, handlers).map(([pipe, handler]): Alike => ({ pipes: [pipe], handler })),
    ...pairs(pairs(pipes, pipes), PARAMETERS).flatMap(([pair, parameters]): Alike[] => [
      { pipes: pair, parameters, handler: 'gives a value' },
      { pipes: pair, parameters, interceptors: ['sees values'], handler: 'gives a value' },
    ]),
    ...pairs(interceptors, pipes).map(([interceptor, pipe]): Alike => ({
      interceptors: [interceptor],
      pipes: [pipe],
      handler: 'gives a promise',
    })),
    ...pairs(pairs(filters, filters), FAILING).map(([pair, failing]): Alike => ({
      ...failing,
      filters: pair,
    })),
    ...Array.from({ length: samples }, (): Alike => {
      const place = one(PLACES);
      return {
        guards: some(guards, 2),
        interceptors: some(interceptors, 3),
        pipes: some(pipes, 2),
        filters: some(filters, 2),
        parameters: one(PARAMETERS),
        handler: one(handlers),
        ...(place === undefined ? {} : { place }),
      };
    }),
  ];
}

/** Enhancers of the application: an application for each, with all handlers. */
function globalCases(): Alike[][] {
  const ofAll: Omit<Alike, 'handler'>[] = [
    { guards: ['true', 'enters'] },
    { guards: ['true', 'false later'], filters: ['is for RpcExceptions', 'is for two kinds'] },
    { interceptors: ['sees values', 'has a timeout'], pipes: ['another payload, later'] },
    { interceptors: ['sees values', 'retries'], filters: ['rethrows', 'is for RangeErrors'] },
    { pipes: ['as it is', 'rejects'], filters: ['answers nothing'] },
  ];
  return ofAll.map((enhancers) => handlers.map((handler) => ({ ...enhancers, handler, place: 'global' })));
}

type Logs = readonly (readonly string[])[];

/**
 * Through Nest an attempt may end before all of it has: an interceptor has subscribed to the handler for itself and has
 * not waited. Directly the attempt waits for a call that is on its way. So such cases are no comparison.
 */
function endsTooEarly(lines: readonly string[] = []): boolean {
  let hasEnded = false;
  return lines.some((line) => {
    if (line.startsWith('attempt ')) hasEnded = false;
    const isAfterEnd = hasEnded && !line.startsWith('classified');
    if (/^(handled|failed)/.test(line)) hasEnded = true;
    return isAfterEnd;
  });
}

function differ([direct = [], throughNest = []]: Logs): boolean {
  return direct.join('\n') !== throughNest.join('\n') && !endsTooEarly(throughNest);
}

/** The cases that differ, with their logs. One with timers may by chance, so each is tried again in less company. */
async function differing(cases: readonly Alike[], tries = 3): Promise<(readonly [Alike, Logs])[]> {
  const logs = await runBothWays(cases);
  const found = cases.map((one, at) => [one, logs[at] as Logs] as const).filter(([, both]) => differ(both));
  if (found.length === 0 || tries === 1) return found;
  return differing(
    found.map(([one]) => one),
    tries - 1,
  );
}

const PER_APPLICATION = 500;

/** Throws with the first cases whose logs differ. Every n-th case is called. */
export async function runAlike({ seed = Date.now(), samples = 3_000, every = 1 } = {}): Promise<string> {
  const chosen = allCases(seeded(seed), samples).filter((_case, at) => (at + seed) % every === 0);
  const groups = globalCases();
  for (let at = 0; at < chosen.length; at += PER_APPLICATION)
    groups.push(chosen.slice(at, at + PER_APPLICATION));
  const texts: string[] = [];
  for (const group of groups)
    for (const [one, [direct = [], throughNest = []]] of await differing(group))
      texts.push([JSON.stringify(one), 'directly:', ...direct, 'through Nest:', ...throughNest].join('\n  '));
  const count = groups.flat().length;
  if (texts.length === 0) return `${count} cases alike, seed ${seed}`;
  throw new Error(
    `${texts.length} of ${count} cases differ, seed ${seed}:\n${texts.slice(0, 20).join('\n')}`,
  );
}
