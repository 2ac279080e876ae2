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

/** Never the value itself: a connection string holds a password. */
export function invalid(name: string, expected: string, found: unknown): AggregatePostgresError {
  const kind = found === null ? 'null' : Array.isArray(found) ? 'a list' : typeof found;
  const shown =
    typeof found === 'number' ? String(found) : found === '' ? 'an empty text' : `a value of type ${kind}`;
  return new AggregatePostgresError(
    'POSTGRES_OPTIONS_INVALID',
    `expected the option ${name} to be ${expected}, found ${shown}; correct AggregatePostgresModule.forRoot`,
  );
}
