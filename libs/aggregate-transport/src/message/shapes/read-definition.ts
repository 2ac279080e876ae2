import { AggregateTransportError } from '../../errors.js';
import { kindOf } from '../../foreign.js';
import { isStandardSchema, type StandardSchemaV1 } from './standard-schema.js';
import { TopicShapes, type TypeShape, type Upcaster } from './topic-shapes.js';

/** Versions of one event type, at most. Each has an upcaster, and an old event runs through all that follow. */
const MAX_VERSION = 1_000;
const KEYS: ReadonlySet<string> = new Set(['version', 'schema', 'upcast']);
const NO_UPCASTERS: ReadonlyMap<number, Upcaster> = new Map();
const VERSION = /^[1-9]\d{0,3}$/;

/**
 * Checks the second parameter of `defineTopic`. What it returns does not change with the object that was given.
 * @throws OPTIONS_INVALID
 */
export function readDefinition(topic: string, definition: unknown): TopicShapes {
  if (!isRecord(definition))
    throw invalid(
      `defineTopic("${topic}")`,
      'an object with a shape for each event type',
      kindOf(definition),
      'write { OrderPlaced: { version, schema, upcast }, OrderPaid: type<OrderPaid>() }',
    );
  const types = Object.entries(definition).map(([type, entry]) => shapeOf(topic, type, entry));
  return new TopicShapes(topic, types);
}

function shapeOf(topic: string, type: string, entry: unknown): TypeShape {
  const place = `"${type}" of defineTopic("${topic}")`;
  if (isStandardSchema(entry))
    throw invalid(place, 'a shape', 'a schema alone', 'write { version: 1, schema }');
  if (!isRecord(entry))
    throw invalid(place, 'a shape', kindOf(entry), 'write { version, schema, upcast } or type<T>()');
  if (isTypeOnly(entry)) return { type, version: undefined, schema: undefined, upcast: NO_UPCASTERS };
  const unknown = Object.keys(entry).find((key) => !KEYS.has(key));
  if (unknown !== undefined)
    throw invalid(
      place,
      `the keys ${[...KEYS].join(', ')}`,
      JSON.stringify(unknown),
      'remove it or correct its name',
    );
  const version = versionOf(place, entry['version']);
  const schema = schemaOf(place, entry['schema']);
  return { type, version, schema, upcast: upcastersOf(place, version, entry['upcast']) };
}

function versionOf(place: string, version: unknown): number {
  if (Number.isSafeInteger(version) && (version as number) >= 1 && (version as number) <= MAX_VERSION)
    return version as number;
  const found = typeof version === 'number' ? String(version) : kindOf(version);
  throw invalid(
    `version of ${place}`,
    `a whole number from 1 to ${MAX_VERSION}`,
    found,
    'count the versions of its payload: 1, 2, 3',
  );
}

function schemaOf(place: string, schema: unknown): StandardSchemaV1 | undefined {
  if (isStandardSchema(schema)) return schema;
  if (isRecord(schema) && isTypeOnly(schema)) return undefined;
  throw invalid(
    `schema of ${place}`,
    'a Standard Schema, or type<T>()',
    kindOf(schema),
    'use zod, valibot, arktype or another library that has "~standard"',
  );
}

function upcastersOf(place: string, version: number, given: unknown): ReadonlyMap<number, Upcaster> {
  if (given !== undefined && !isRecord(given))
    throw invalid(`upcast of ${place}`, 'an object of functions by version', kindOf(given), 'write { 1: … }');
  const upcasters = Object.entries(given ?? {});
  for (const [from, upcaster] of upcasters) {
    if (!VERSION.test(from) || Number(from) >= version)
      throw invalid(
        `upcast of ${place}`,
        `versions from 1 to below its version ${version}`,
        JSON.stringify(from),
        'upcast[n] makes version n + 1 of n: remove it, or raise the version',
      );
    if (typeof upcaster !== 'function')
      throw invalid(`upcast[${from}] of ${place}`, 'a function', kindOf(upcaster), 'give one');
  }
  const byVersion = new Map(upcasters.map(([from, upcaster]) => [Number(from), upcaster as Upcaster]));
  for (let from = 1; from < version; from++) {
    if (!byVersion.has(from))
      throw invalid(
        `upcast of ${place}`,
        `a way from each version below ${version} to the next`,
        `none from ${from} to ${from + 1}`,
        'add it; for a version that no stream holds any more, one that throws',
      );
  }
  return byVersion;
}

function isTypeOnly(entry: Readonly<Record<string, unknown>>): boolean {
  return entry['isTypeOnly'] === true;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(place: string, expected: string, found: string, remedy: string): AggregateTransportError {
  return new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected ${place} to be ${expected}, found ${found}; ${remedy}`,
  );
}
