/**
 * What a caller may hand over as its transaction, by shape. No library is imported for it: neither its code nor its
 * types. Each of these needs to be the transaction itself, not the pool or data source it came from.
 */
export type Transaction =
  | QueryingTransaction
  | PrismaTransaction
  | DrizzleTransaction
  | KnexTransaction
  | KyselyTransaction
  | StatementFunction;

/** A client of `pg`, an EntityManager or QueryRunner of TypeORM, or a transaction of PGlite. */
export interface QueryingTransaction {
  /** Runs a statement within the transaction. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each library declares its own kind of list
  query(sql: string, values?: any): PromiseLike<unknown>;
}

/** The client that Prisma hands to `$transaction(async (tx) => …)`. */
export interface PrismaTransaction {
  /** Runs a statement within the transaction and gives its rows. */
  $queryRawUnsafe(sql: string, ...values: unknown[]): PromiseLike<unknown>;
}

/** The `tx` of Drizzle's `db.transaction(async (tx) => …)`, for node-postgres, postgres.js or PGlite. */
export interface DrizzleTransaction {
  /** Runs a statement within the transaction. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- Drizzle's own class of SQL
  execute(query: any): PromiseLike<unknown>;
  /** By which it is recognized; never called. */
  readonly rollback: () => never;
}

/** The `trx` of `knex.transaction(async (trx) => …)`. */
export interface KnexTransaction {
  /** Runs a statement within the transaction. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- Knex declares its own kinds of bindings
  raw(sql: string, bindings: any): PromiseLike<unknown>;
}

/** The `trx` of Kysely's `db.transaction().execute(async (trx) => …)`. */
export interface KyselyTransaction {
  /** Runs a statement within the transaction. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- Kysely's own compiled query
  executeQuery(query: any): PromiseLike<unknown>;
}

/** Any other library: runs a statement with `$1`, `$2`, … within the transaction and resolves with its rows. */
export type StatementFunction = (sql: string, values: (string | null)[]) => PromiseLike<unknown>;
