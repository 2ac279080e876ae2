import { AggregatePostgresError } from '../errors.js';
import { failureOf } from './failure.js';
import { rowsOf, type Statement } from './statement.js';
import type {
  DrizzleTransaction,
  KnexTransaction,
  KyselyTransaction,
  PrismaTransaction,
  QueryingTransaction,
  StatementFunction,
  Transaction,
} from './transaction.js';

/** Runs a statement by one library's way, and resolves with the answer in that library's shape. */
type Way = (sql: string, values: (string | null)[]) => PromiseLike<unknown>;

/**
 * The port to a caller's transaction, whichever library it comes from.
 * @throws TRANSACTION_UNKNOWN if it has the shape of none. The statement then rejects with what `failureOf` makes of
 *   the library's error.
 */
export function statementOf(transaction: Transaction): Statement {
  const way = wayOf(transaction);
  if (way === undefined) throw unknownShape(transaction);
  return async (sql, values) => {
    let answer: unknown;
    try {
      answer = await way(sql, [...values]);
    } catch (cause) {
      throw failureOf(cause);
    }
    const rows = rowsOf(answer);
    if (rows === undefined) throw unknownAnswer(answer);
    return rows;
  };
}

/** The order matters: a Knex transaction is a function, and Drizzle's has a `query` of another kind. */
function wayOf(transaction: unknown): Way | undefined {
  if (typeof transaction === 'function')
    return has(transaction, 'raw')
      ? throughKnex(transaction as unknown as KnexTransaction)
      : (transaction as StatementFunction);
  if (typeof transaction !== 'object' || transaction === null) return undefined;
  if (has(transaction, '$queryRawUnsafe')) return throughPrisma(transaction as PrismaTransaction);
  if (has(transaction, 'executeQuery')) return throughKysely(transaction as KyselyTransaction);
  if (has(transaction, 'query')) return throughQuery(transaction as QueryingTransaction);
  if (has(transaction, 'execute')) return throughDrizzle(transaction as DrizzleTransaction);
  return undefined;
}

function has(transaction: object, method: string): boolean {
  return typeof (transaction as Record<string, unknown>)[method] === 'function';
}

function throughQuery(transaction: QueryingTransaction): Way {
  return (sql, values) => transaction.query(sql, values);
}

function throughPrisma(transaction: PrismaTransaction): Way {
  return (sql, values) => transaction.$queryRawUnsafe(sql, ...values);
}

/** Drizzle asks what it runs for its SQL, and that for text and values. */
function throughDrizzle(transaction: DrizzleTransaction): Way {
  return (sql, params) => transaction.execute({ getSQL: () => ({ toQuery: () => ({ sql, params }) }) });
}

/** Knex numbers the values itself: one `?` for each place. */
function throughKnex(transaction: KnexTransaction): Way {
  return (sql, values) => {
    const bindings: (string | null)[] = [];
    const places = sql.replace(/\$(\d+)/g, (_place, digits: string) => {
      bindings.push(values[Number(digits) - 1] ?? null);
      return '?';
    });
    return transaction.raw(places, bindings);
  };
}

let queries = 0;

/** What Kysely's own `CompiledQuery.raw` makes. */
function throughKysely(transaction: KyselyTransaction): Way {
  return (sql, parameters) => {
    queries += 1;
    const query = { kind: 'RawNode', sqlFragments: [sql], parameters: [] };
    return transaction.executeQuery({ sql, parameters, query, queryId: { queryId: `aggregate-${queries}` } });
  };
}

function unknownShape(found: unknown): AggregatePostgresError {
  const kind = found === null ? 'null' : Array.isArray(found) ? 'a list' : typeof found;
  return new AggregatePostgresError(
    'TRANSACTION_UNKNOWN',
    'expected a transaction of pg, TypeORM, Prisma, Drizzle, Knex, Kysely or PGlite, or a function ' +
      `(sql, values) => Promise<rows>, found ${kind === 'object' ? 'an object of none of these shapes' : kind}; ` +
      'nothing was written: pass the transaction as the first argument',
  );
}

function unknownAnswer(answer: unknown): AggregatePostgresError {
  return new AggregatePostgresError(
    'TRANSACTION_UNKNOWN',
    'expected the transaction to answer a statement with its rows, as a list or as { rows }, found ' +
      `${answer === null ? 'null' : typeof answer}; roll the transaction back and correct the function`,
  );
}
