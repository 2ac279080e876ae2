/**
 * The part of Standard Schema version 1 (standardschema.dev) that is needed here. zod, valibot, arktype and others have
 * it on every schema. It is written down here, so no such library is a dependency.
 */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  /** The properties that the specification asks for. */
  readonly '~standard': {
    readonly version: 1;
    /** The library that made the schema. */
    readonly vendor: string;
    /** Checks a value, and says what is wrong with it. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** Exists for the compiler only. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a schema answers: the output, or what is wrong with the input. */
export type SchemaResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema takes. */
export type InputOf<S extends StandardSchemaV1> = NonNullable<S['~standard']['types']>['input'];

/** What a schema makes of it. */
export type OutputOf<S extends StandardSchemaV1> = NonNullable<S['~standard']['types']>['output'];

/** True for a schema of any library. A value that cannot be read is none. */
export function isStandardSchema(value: unknown): value is StandardSchemaV1 {
  try {
    if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return false;
    const standard = (value as Partial<StandardSchemaV1>)['~standard'] as
      Partial<StandardSchemaV1['~standard']> | undefined;
    return standard?.version === 1 && typeof standard.validate === 'function';
  } catch {
    return false;
  }
}
