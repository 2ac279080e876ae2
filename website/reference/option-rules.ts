import { CodedError } from '#library/errors.js';
import { checkOptions, HANDLER_RULES } from '#library/transport/option-rules.js';
import type { AggregatePostgresOptions } from '#postgres/options/options.js';
import { resolveOptions } from '#postgres/options/resolve-options.js';

/** No option takes it, so the check answers with what it takes. */
const NO_VALUE = Symbol('no value of an option');
/** No option has this name, so the check answers with the names it knows. */
const NO_NAME = 'no option';

/** A library's own check of its options. Throws if it refuses them. */
export type Check = (given: unknown) => void;

export const checkHandlerOptions: Check = (given) => checkOptions('', given, HANDLER_RULES);

/** Options that are complete, so that a check looks at the one that is added. */
const POSTGRES_OPTIONS = {
  pglite: { transaction: () => undefined, listen: () => undefined },
  outbox: { topics: ['orders'] },
};

export const checkPostgresOptions: Check = (given) => {
  const { outbox, ...rest } = given as Partial<AggregatePostgresOptions>;
  resolveOptions({
    ...POSTGRES_OPTIONS,
    ...rest,
    outbox: { ...POSTGRES_OPTIONS.outbox, ...outbox },
  } as unknown as AggregatePostgresOptions);
};

/** What the library's own check takes as the value of an option, in its words. */
export function rangeOf(path: string, check: Check): string {
  const told = refusalOf(check, nested(path, NO_VALUE));
  const range = /^expected (?:the )?option \S+ to be (.+), found /.exec(told)?.[1];
  if (range === undefined) throw new Error(`expected a refusal of the option ${path}, found: ${told}`);
  return range.replace(/ \(it has no \w+\)$/, '').replace(/\d{4,}/g, grouped);
}

/** The options that the library's own check knows, groups and what stands in them. */
export function knownOptions(groups: ReadonlySet<string>, check: Check): string[] {
  const known = (path: string): string[] => {
    const inner = path === '' ? NO_NAME : `${path}.${NO_NAME}`;
    const told = refusalOf(check, nested(inner, 1));
    const names = /^expected (?:one of the options|an option of) (.+?)(?: in \S+)?, found "/.exec(told)?.[1];
    if (names === undefined) throw new Error(`expected a list of options, found: ${told}`);
    return names
      .split(', ')
      .map((name) => (path === '' || name.startsWith(`${path}.`) ? name : `${path}.${name}`))
      .flatMap((option) => (groups.has(option) ? known(option) : [option]));
  };
  return known('');
}

/** `1048576` as `1 048 576`. */
export function grouped(digits: string): string {
  return digits.replace(/\B(?=(?:\d{3})+$)/g, ' ');
}

function nested(path: string, value: unknown): unknown {
  return path.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
}

function refusalOf(check: Check, given: unknown): string {
  try {
    check(given);
  } catch (error) {
    if (error instanceof CodedError) return error.message;
    throw error;
  }
  return 'it was taken';
}
