import { AggregatePostgresError } from '../errors.js';
import type { SchemaNames } from './schema-names.js';
import { SCHEMA_VERSION } from './schema-sql.js';

const MIGRATE = 'npx aggregate-transport postgres migrate';

export function schemaMissing(names: SchemaNames, cause: unknown): AggregatePostgresError {
  return new AggregatePostgresError(
    'SCHEMA_MISSING',
    `expected the table ${names.of('schema_version')}, found none; run ${MIGRATE}, or correct the options schema ` +
      'and tables',
    { cause },
  );
}

export function schemaOlder(names: SchemaNames, found: number): AggregatePostgresError {
  return new AggregatePostgresError(
    'SCHEMA_OLDER',
    `expected the tables in schema ${names.schema} to have version ${SCHEMA_VERSION}, found version ${found}; ` +
      `run ${MIGRATE}`,
  );
}

export function schemaNewer(names: SchemaNames, found: number): AggregatePostgresError {
  return new AggregatePostgresError(
    'SCHEMA_NEWER',
    `expected the tables in schema ${names.schema} to have version ${SCHEMA_VERSION}, found version ${found}, which ` +
      'a newer release has made; install that release of nestjs-aggregate-transport-postgres',
  );
}

/** `missing` as in `insert on "messaging"."outbox"`. */
export function rightsMissing(missing: readonly string[], cause?: unknown): AggregatePostgresError {
  return new AggregatePostgresError(
    'RIGHTS_MISSING',
    `expected a role with the rights of the outbox and inbox, found it without ${missing.join(', ')}; grant what ` +
      'npx aggregate-transport postgres print lists',
    cause === undefined ? undefined : { cause },
  );
}
