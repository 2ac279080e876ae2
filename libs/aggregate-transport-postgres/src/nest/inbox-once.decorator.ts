import 'reflect-metadata';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Inject, type InjectionToken } from '@nestjs/common';
import { AggregatePostgresError } from '../errors.js';
import { Inbox } from '../inbox/inbox.js';
import type { InboxContext } from '../inbox/inbox-place.js';
import type { QueryingTransaction } from '../transaction/transaction.js';

/** Which transactions `@InboxOnce` opens. */
export interface InboxOnceOptions {
  /** A TypeORM DataSource to inject, by class or token: its transactions are used in place of the module's pool. */
  readonly dataSource?: InjectionToken;
}

/** What the decorator uses of a TypeORM DataSource. */
interface Transactor {
  transaction<T>(work: (manager: QueryingTransaction) => Promise<T>): Promise<T>;
}

type Method = (this: Readonly<Record<symbol, unknown>>, ...args: unknown[]) => unknown;

const INBOX = Symbol('inbox');
const running = new AsyncLocalStorage<QueryingTransaction>();

/**
 * Runs an `@AggregateHandler` method as {@link Inbox.once} runs an effect: in a transaction that holds the event's
 * place in the inbox. For a repeat it does not run. The method needs the event's context as a parameter (`@Ctx()`) and
 * gets the transaction by {@link inboxTransaction}. It may stand above or below `@AggregateHandler`.
 *
 * @throws as {@link Inbox.once}, and INBOX_MISPLACED if a call has no context
 */
export function InboxOnce({ dataSource }: InboxOnceOptions = {}): MethodDecorator {
  return (target: object, name: string | symbol, descriptor: PropertyDescriptor): void => {
    const method = descriptor.value as Method;
    const source = Symbol('data source');
    Inject(Inbox)(target, INBOX);
    if (dataSource !== undefined) Inject(dataSource)(target, source);
    const where = `${target.constructor.name}.${String(name)}`;
    const inTransaction: Method = function (...args) {
      const inbox = this[INBOX] as Inbox;
      const ctx = args.find(isContext);
      if (ctx === undefined) throw misplaced(where);
      const effect = (transaction: QueryingTransaction): unknown =>
        running.run(transaction, () => method.apply(this, args));
      if (dataSource === undefined) return inbox.once(ctx, effect);
      return (this[source] as Transactor).transaction((manager) => inbox.once(ctx, manager, effect));
    };
    for (const key of Reflect.getMetadataKeys(method) as unknown[])
      Reflect.defineMetadata(key, Reflect.getMetadata(key, method), inTransaction);
    descriptor.value = inTransaction;
  };
}

/**
 * The transaction that the running `@InboxOnce()` method belongs to: a client of `pg`, or TypeORM's EntityManager if
 * the decorator names a data source.
 * @throws INBOX_MISPLACED outside such a method
 */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows which library it is of
export function inboxTransaction<T extends QueryingTransaction = QueryingTransaction>(): T {
  const transaction = running.getStore();
  if (transaction === undefined) throw misplaced('the caller of inboxTransaction()');
  return transaction as T;
}

function isContext(value: unknown): value is InboxContext {
  if (typeof value !== 'object' || value === null) return false;
  const { position, fencingToken } = value as Partial<InboxContext>;
  return typeof position === 'bigint' && typeof fencingToken === 'number';
}

function misplaced(where: string): AggregatePostgresError {
  return new AggregatePostgresError(
    'INBOX_MISPLACED',
    `expected ${where} to run as an @AggregateHandler method with @InboxOnce() and a parameter with @Ctx(), found it ` +
      'without; add what is missing, or call inbox.once(ctx, effect)',
  );
}
