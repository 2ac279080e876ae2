import { AggregateTransportError } from '../../errors.js';

/** True for aggregates that are meant. */
export type Chosen = (aggregateId: string) => boolean;

export const ALL: Chosen = () => true;

/**
 * Reads a pattern of aggregate ids: each `*` stands for any text, all else for itself.
 * @throws OPTIONS_INVALID for an empty pattern
 */
export function parseChosen(pattern: string): Chosen {
  if (pattern === '')
    throw new AggregateTransportError(
      'OPTIONS_INVALID',
      'expected --only to be an aggregate id, with * for any text, found nothing',
    );
  const parts = pattern.split('*').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`));
  const form = new RegExp(`^${parts.join('.*')}$`, 's');
  return (aggregateId) => form.test(aggregateId);
}
