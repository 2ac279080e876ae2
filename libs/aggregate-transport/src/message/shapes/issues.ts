import { memberPath } from '../json.js';
import type { SchemaIssue } from './standard-schema.js';

/** What a schema found wrong at one place of a payload. Never the value there. */
export interface PayloadIssue {
  /** Such as `.lines[3].sku`; empty for the payload as a whole. A key that may be data is shown as `[…]`. */
  readonly path: string;
  /** What the schema says of it, at most 200 characters; data in it is hidden. */
  readonly message: string;
}

/** Issues kept of one payload. A list of 10 000 wrong items has as many. */
const MAX_ISSUES = 20;
const MAX_DEPTH = 20;
const MAX_MESSAGE = 200;
const HIDDEN = '…';

type Path = NonNullable<SchemaIssue['path']>;

/**
 * What a schema reports, for an error text. Libraries put values into their messages, so they are taken out. Those are
 * the ends that valibot and arktype write, and for all libraries the value at the issue's place. May throw what a
 * getter throws.
 */
export function issuesOf(
  found: readonly SchemaIssue[],
  { vendor, payload }: { readonly vendor: string; readonly payload: unknown },
): readonly PayloadIssue[] {
  const issues = found.slice(0, MAX_ISSUES).map(({ message, path = [] }): PayloadIssue => {
    const keys = path.slice(0, MAX_DEPTH).map(keyOf);
    const text = withoutValue(withoutEnd(textIn(message), vendor), valueAt(payload, path));
    return { path: keys.map(shownKey).join(''), message: oneLine(text) };
  });
  const rest = found.length - issues.length;
  return rest === 0 ? issues : [...issues, { path: '', message: `and ${rest} more` }];
}

/** All of them in one line. */
export function textOfIssues(issues: readonly PayloadIssue[]): string {
  return issues.map(({ path, message }) => `payload${path}: ${message}`).join('; ');
}

/** What a library answers need not be what its type says. */
function textIn(message: unknown): string {
  return typeof message === 'string' ? message : 'is not valid';
}

function keyOf(step: Path[number]): PropertyKey {
  return typeof step === 'object' ? step.key : step;
}

function shownKey(key: PropertyKey): string {
  if (typeof key === 'number') return `[${key}]`;
  return typeof key === 'string' ? memberPath(key) : '[…]';
}

function valueAt(payload: unknown, path: Path): unknown {
  let value = payload;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[keyOf(step)];
  }
  return value;
}

/** `Expected string but received "x"` and `must be a string (was "x")` end with the value. */
function withoutEnd(message: string, vendor: string): string {
  if (vendor === 'valibot') return message.replace(/(?: but received|:? Received) [\s\S]*$/, '');
  if (vendor !== 'arktype') return message;
  // Before "must be" stands the place, for some rules with the value.
  const rule = message.indexOf('must be');
  return (rule < 0 ? message : message.slice(rule)).replace(/ \(was [\s\S]*\)/, '');
}

function withoutValue(message: string, value: unknown): string {
  if (value === undefined || value === null || typeof value === 'boolean') return message;
  let text = message;
  for (const shown of [json(value), typeof value === 'object' ? undefined : `${value as string | number}`])
    if (shown !== undefined && shown !== '') text = text.replaceAll(shown, HIDDEN);
  return text;
}

function json(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE)}${HIDDEN}` : line;
}
