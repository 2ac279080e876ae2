import type { TopicRef } from 'nestjs-aggregate-transport';
import { AggregatePostgresError } from '../errors.js';

/** @throws POSTGRES_OPTIONS_INVALID if the object has other members */
export function requireKnown(prefix: string, options: object, known: ReadonlySet<string>): void {
  const other = Object.keys(options).find((name) => !known.has(name));
  if (other === undefined) return;
  throw new AggregatePostgresError(
    'POSTGRES_OPTIONS_INVALID',
    `expected an option of ${[...known].map((name) => prefix + name).join(', ')}, found ` +
      `${JSON.stringify(prefix + other)}; correct its name, or leave it out`,
  );
}

/** @throws POSTGRES_OPTIONS_INVALID */
export function numberIn(
  name: string,
  value: unknown,
  { least, most }: { least: number; most: number },
): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(name, `a whole number from ${least} to ${most}`, value);
}

export function has(value: unknown, method: string): boolean {
  return typeof (value as Record<string, unknown> | null | undefined)?.[method] === 'function';
}

/**
 * The name of a topic that was given to `place`, such as `@InjectOutbox`.
 * @throws POSTGRES_OPTIONS_INVALID for what is no topic, above all an undefined one of a circular import
 */
export function topicNameOf(topic: TopicRef, place: string): string {
  const given: unknown = topic;
  const name: unknown =
    typeof given === 'string' ? given : (given as { name?: unknown } | null | undefined)?.name;
  if (typeof name === 'string' && name !== '') return name;
  const found =
    given === undefined
      ? 'undefined; circular import? Keep defineTopic in a file that imports none of its users'
      : `${kindOf(given)}; give it what defineTopic made, or a name`;
  throw new AggregatePostgresError(
    'POSTGRES_OPTIONS_INVALID',
    `expected ${place} to be given a topic or its name, found ${found}`,
  );
}

function kindOf(found: unknown): string {
  if (found === '') return 'an empty text';
  return found === null ? 'null' : Array.isArray(found) ? 'a list' : `a value of type ${typeof found}`;
}

/** Never the value itself: a connection string holds a password. */
export function invalid(name: string, expected: string, found: unknown): AggregatePostgresError {
  const shown = typeof found === 'number' ? String(found) : kindOf(found);
  return new AggregatePostgresError(
    'POSTGRES_OPTIONS_INVALID',
    `expected the option ${name} to be ${expected}, found ${shown}; correct AggregatePostgresModule.forRoot`,
  );
}
