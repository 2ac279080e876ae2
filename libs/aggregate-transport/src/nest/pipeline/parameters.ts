import type { ArgumentMetadata, PipeTransform } from '@nestjs/common';
import { isThenable } from '../../foreign.js';
import type { PipelineArgs } from './execution-host.js';

/** One parameter of a handler, as Nest fills it. */
export interface PipedParameter {
  readonly index: number;
  /** What it is filled with, before its pipes. */
  readonly extract: (args: PipelineArgs) => unknown;
  /** True if code of the service extracts it, which may throw. */
  readonly isForeign: boolean;
  /** Those of the application, the class, the method and the parameter, in this order. */
  readonly pipes: readonly PipeTransform[];
  readonly metadata: ArgumentMetadata;
}

/**
 * Fills the parameters of a handler. As Nest does, all of them at once, each through its own pipes. One that fails does
 * not stop the pipes of the others.
 */
export class Parameters {
  readonly #length: number;
  readonly #isPlain: boolean;

  /** `parameters` in the order of Nest's metadata. */
  constructor(
    private readonly parameters: readonly PipedParameter[],
    private readonly runPipes: RunPipes,
  ) {
    this.#length = Math.max(0, ...parameters.map(({ index }) => index + 1));
    this.#isPlain = parameters.every(({ pipes, isForeign }) => pipes.length === 0 && !isForeign);
  }

  /** The values, or a promise of them, which rejects with the first error. Throws nothing. */
  fill(args: PipelineArgs): unknown[] | Promise<unknown[]> {
    const values = new Array<unknown>(this.#length).fill(undefined);
    if (!this.#isPlain) return this.#pipe(values, args);
    let isHere = true;
    for (const { index, extract } of this.parameters) {
      const value = extract(args);
      values[index] = value;
      isHere &&= !isThenable(value);
    }
    return isHere ? values : Promise.all(values);
  }

  async #pipe(values: unknown[], args: PipelineArgs): Promise<unknown[]> {
    await Promise.all(
      this.parameters.map(async ({ index, extract, pipes, metadata }) => {
        const extracted = extract(args);
        values[index] = await (pipes.length === 0 ? extracted : this.runPipes(extracted, pipes, metadata));
      }),
    );
    return values;
  }
}

/** Leads a value, or a promise of one, through pipes. */
export type RunPipes = (
  value: unknown,
  pipes: readonly PipeTransform[],
  metadata: ArgumentMetadata,
) => Promise<unknown>;

/** As Nest 12: the first pipe gets its value at once. */
export async function pipeAtOnce(
  given: unknown,
  pipes: readonly PipeTransform[],
  metadata: ArgumentMetadata,
): Promise<unknown> {
  let value = isThenable(given) ? await given : given;
  for (const pipe of pipes) value = await pipe.transform(value, { ...metadata });
  return value;
}

/** As Nest 11: each pipe has a promise of its own. Of two parameters that fail, the same one is the first. */
export function pipeInTurn(
  given: unknown,
  pipes: readonly PipeTransform[],
  metadata: ArgumentMetadata,
): Promise<unknown> {
  return pipes.reduce(async (before: Promise<unknown>, pipe): Promise<unknown> => {
    const value = await before;
    return pipe.transform(value, { ...metadata });
  }, Promise.resolve(given));
}
