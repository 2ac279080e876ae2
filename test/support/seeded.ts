import { randomOf } from '../faults/harness/random.js';

/**
 * A seed for a random run, printed before the run begins: a run that times out or dies must show it, too. The
 * environment variable named here repeats it.
 */
export function drawSeed(what: string, variable = 'TEST_SEED'): number {
  const given = process.env[variable];
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
  console.log(`${what}: ${variable}=${seed}`);
  return seed;
}

/** Random numbers of a seed that is printed. */
export function seededRandom(what: string, variable?: string): () => number {
  return randomOf(drawSeed(what, variable));
}
