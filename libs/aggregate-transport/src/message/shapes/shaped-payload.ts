import { isThenable, kindOf } from '../../foreign.js';
import { issuesOf, type PayloadIssue } from './issues.js';
import type { SchemaResult, StandardSchemaV1 } from './standard-schema.js';
import type { Shape } from './topic-shapes.js';

/** Why a payload does not have its shape. */
export type PayloadFault =
  | { readonly kind: 'issues'; readonly issues: readonly PayloadIssue[] }
  /** Code of the service has thrown, or its promise rejected. */
  | { readonly kind: 'thrown'; readonly where: string; readonly error: unknown }
  | { readonly kind: 'unknown version' }
  /** The schema answered something that no Standard Schema answers. */
  | { readonly kind: 'no answer'; readonly found: string };

/** A payload of the declared version, as its schema has made it; with a `fault` there is none. */
export interface Shaped {
  readonly payload?: unknown;
  readonly fault?: PayloadFault;
}

/**
 * Makes of a payload of an older version, or of the declared one, what handlers get: upcasters first, then the schema.
 * Answers at once if all of them do. They are code of the service, so what they throw becomes a fault. Never throws,
 * never rejects.
 */
export function shapePayload(shape: Shape, version: number, payload: unknown): Shaped | Promise<Shaped> {
  if (version === shape.version) return checked(shape, payload);
  if (!Number.isSafeInteger(version) || version < 1 || version > shape.version)
    return { fault: { kind: 'unknown version' } };
  return upcast(shape, version, payload);
}

function upcast(shape: Shape, version: number, old: unknown): Shaped | Promise<Shaped> {
  let payload = old;
  for (let from = version; from < shape.version; from++) {
    const failed = (error: unknown): Shaped => ({
      fault: { kind: 'thrown', where: `upcast[${from}] (version ${from} to ${from + 1})`, error },
    });
    try {
      payload = shape.upcast.get(from)?.(payload);
      if (isThenable(payload)) {
        const next = from + 1;
        return Promise.resolve(payload).then((value) => shapePayload(shape, next, value), failed);
      }
    } catch (error) {
      return failed(error);
    }
  }
  return checked(shape, payload);
}

function checked({ schema }: Shape, payload: unknown): Shaped | Promise<Shaped> {
  if (schema === undefined) return { payload };
  try {
    const result = schema['~standard'].validate(payload);
    if (!isThenable(result)) return answerOf(schema, result, payload);
    return Promise.resolve(result)
      .then((later) => answerOf(schema, later, payload))
      .catch(schemaFailed);
  } catch (error) {
    return schemaFailed(error);
  }
}

function answerOf(schema: StandardSchemaV1, result: SchemaResult<unknown>, payload: unknown): Shaped {
  // What a library of the application answers need not be what its type says.
  const found: unknown = result;
  if (typeof found !== 'object' || found === null)
    return { fault: { kind: 'no answer', found: kindOf(found) } };
  const { issues } = result;
  if (issues === undefined) return { payload: result.value };
  if (!Array.isArray(issues)) return { fault: { kind: 'no answer', found: 'issues that are no list' } };
  return {
    fault: { kind: 'issues', issues: issuesOf(issues, { vendor: schema['~standard'].vendor, payload }) },
  };
}

function schemaFailed(error: unknown): Shaped {
  return { fault: { kind: 'thrown', where: 'its schema', error } };
}
