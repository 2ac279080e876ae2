import { AggregateTransportError } from '../errors.js';

/**
 * A number that a caller gave, or what stands for none.
 * @throws OPTIONS_INVALID if it is out of bounds
 */
export function bounded(
  name: string,
  given: number | undefined,
  { otherwise, least, most }: { readonly otherwise: number; readonly least: number; readonly most: number },
): number {
  if (given === undefined) return otherwise;
  if (Number.isFinite(given) && given >= least && given <= most) return Math.floor(given);
  throw new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected ${name} to be a number from ${least} to ${most}, found ${String(given)}`,
  );
}
