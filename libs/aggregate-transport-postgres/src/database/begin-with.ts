import type { QueryingTransaction } from '../transaction/transaction.js';
import { keepsPrepared, onPrepared, repeated } from '../transaction/repeated.js';
import { statementOf } from '../transaction/statement-of.js';
import type { Row } from '../transaction/statement.js';

/** A statement that is run again and again, as the first of its transaction. */
export interface Opening {
  /** As for {@link repeated}, as is what the statement answers. */
  readonly name: string;
  readonly sql: string;
  readonly values: readonly (string | null)[];
}

/** What is used of a connection of `pg`, as `pg-cursor` uses it. */
interface Wire {
  readonly stream: { cork(): void; uncork(): void };
  readonly parsedStatements: Readonly<Record<string, string>>;
  parse(message: { readonly text: string }): void;
  bind(message: { readonly statement?: string; readonly values?: readonly (string | null)[] }): void;
  describe(message: { readonly type: 'P'; readonly name: string }): void;
  execute(message: object): void;
  sync(): void;
}

/** Opens a transaction and runs its first statement: in one round trip, where that is prepared on the connection. */
export async function beginWith(client: QueryingTransaction, opening: Opening): Promise<readonly Row[]> {
  const { name, sql, values } = opening;
  if (isPrepared(client, opening))
    return onPrepared(
      client,
      statementOf(() => sent(client, opening)),
    )(sql, values);
  await statementOf(client)('begin', []);
  return repeated(client, name)(sql, values);
}

/** In its pipeline mode `pg` takes no statement of another's making. */
function isPrepared(client: QueryingTransaction, { name, sql }: Opening): boolean {
  const { connection, pipeline } = client as { connection?: Partial<Wire>; pipeline?: unknown };
  return keepsPrepared(client) && pipeline !== true && connection?.parsedStatements?.[name] === sql;
}

function sent(client: QueryingTransaction, opening: Opening): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    client.query(new BeginAndFirst(opening, resolve, reject) as unknown as string);
  });
}

/** Two statements with one answer, in the shape in which `pg` takes statements of another's making. */
class BeginAndFirst {
  readonly #rows: Row[] = [];
  #columns: readonly string[] = [];

  constructor(
    private readonly opening: Opening,
    private readonly resolve: (rows: Row[]) => void,
    private readonly reject: (error: unknown) => void,
  ) {}

  submit(connection: Wire): void {
    const { name: statement, values } = this.opening;
    connection.stream.cork();
    try {
      connection.parse({ text: 'begin' });
      connection.bind({});
      connection.execute({});
      connection.bind({ statement, values });
      connection.describe({ type: 'P', name: '' });
      connection.execute({});
      connection.sync();
    } finally {
      connection.stream.uncork();
    }
  }

  handleRowDescription({ fields }: { readonly fields: readonly { readonly name: string }[] }): void {
    this.#columns = fields.map(({ name }) => name);
  }

  handleDataRow({ fields }: { readonly fields: readonly unknown[] }): void {
    this.#rows.push(Object.fromEntries(this.#columns.map((column, place) => [column, fields[place]])));
  }

  handleCommandComplete(): void {
    // The server says when it is ready.
  }

  handleReadyForQuery(): void {
    this.resolve(this.#rows);
  }

  handleError(error: unknown): void {
    this.reject(error);
  }
}
