import { AggregatePostgresError, type AggregatePostgresErrorCode } from '../errors.js';

/** Where libraries put the error of the driver, outermost first. */
const INNER = ['driverError', 'cause', 'meta', 'driverAdapterError', 'originalError'] as const;
/** Of a chain of errors; a longer one is no chain but a circle. */
const MAX_DEPTH = 6;
const SQLSTATE = /^[0-9A-Z]{5}$/;
/** Prisma's own codes have the form of a SQLSTATE. */
const PRISMA_CODE = /^P[1-6]\d{3}$/;

/**
 * The SQLSTATE of a failed statement, such as `40P01`, from the error of any supported library. Undefined if the server
 * said none: the connection failed, or the error is not of a database.
 */
export function sqlStateOf(error: unknown, depth = 0): string | undefined {
  if (typeof error !== 'object' || error === null || depth > MAX_DEPTH) return undefined;
  const fields = error as Record<string, unknown>;
  for (const name of INNER) {
    const found = sqlStateOf(fields[name], depth + 1);
    if (found !== undefined) return found;
  }
  for (const name of ['code', 'originalCode'] as const) {
    const code = fields[name];
    if (typeof code === 'string' && SQLSTATE.test(code) && !PRISMA_CODE.test(code)) return code;
  }
  return undefined;
}

interface Meaning {
  readonly code: AggregatePostgresErrorCode;
  readonly found: string;
  readonly remedy: string;
}

const MEANINGS: Readonly<Record<string, Meaning>> = {
  '25P02': {
    code: 'TRANSACTION_ABORTED',
    found: 'one that an earlier statement has aborted',
    remedy: 'nothing was written: roll it back; the error of that earlier statement tells the reason',
  },
  '40P01': {
    code: 'TRANSACTION_RETRY',
    found: 'a deadlock with another one',
    remedy: 'roll it back and run the whole transaction again; add events of several aggregates in one list',
  },
  '40001': {
    code: 'TRANSACTION_RETRY',
    found: 'a conflict with a concurrent one',
    remedy: 'roll it back and run the whole transaction again',
  },
  '53200': {
    code: 'OUTBOX_LOCKS_EXHAUSTED',
    found: 'no room for another lock',
    remedy: 'roll it back; add fewer aggregates in one transaction, or raise max_locks_per_transaction',
  },
  '42P01': {
    code: 'SCHEMA_MISSING',
    found: 'that a table of the outbox or inbox is missing',
    remedy: 'run npx aggregate-transport postgres migrate, or correct the option schema',
  },
  '3F000': {
    code: 'SCHEMA_MISSING',
    found: 'that the schema of the outbox or inbox is missing',
    remedy: 'run npx aggregate-transport postgres migrate, or correct the option schema',
  },
  '42703': {
    code: 'SCHEMA_MISMATCH',
    found: 'a table of the outbox or inbox without one of its columns',
    remedy: 'run npx aggregate-transport postgres migrate, or name other tables in the option tables',
  },
  '42501': {
    code: 'RIGHTS_MISSING',
    found: 'that the role may not use a table of the outbox or inbox',
    remedy: 'grant what npx aggregate-transport postgres print lists',
  },
};

/** The error of this library for a statement that a database or its library has refused. */
export function failureOf(cause: unknown): AggregatePostgresError {
  if (cause instanceof AggregatePostgresError) return cause;
  const state = sqlStateOf(cause);
  const meaning = state === undefined ? undefined : MEANINGS[state];
  if (meaning !== undefined) {
    const { code, found, remedy } = meaning;
    const message = `expected a transaction that can continue, found ${found} (SQLSTATE ${state ?? ''}); ${remedy}`;
    return new AggregatePostgresError(code, message, { cause });
  }
  const found = state === undefined ? 'an error without a SQLSTATE' : `SQLSTATE ${state}`;
  return new AggregatePostgresError(
    'STATEMENT_FAILED',
    `expected the database to carry out a statement of the outbox or inbox, found ${found}; roll the transaction ` +
      'back; the cause tells more',
    { cause },
  );
}

/** The error of this library for a database that gives no connection. Names the cause's code, never its address. */
export function unavailable(cause: unknown): AggregatePostgresError {
  const { code } = (cause ?? {}) as { code?: unknown };
  const found = sqlStateOf(cause) ?? (typeof code === 'string' ? code : 'no answer');
  return new AggregatePostgresError(
    'POSTGRES_UNAVAILABLE',
    `expected a PostgreSQL server that answers, found ${found}; check its address, the credentials, and whether the ` +
      'pool has a connection to give',
    { cause },
  );
}
