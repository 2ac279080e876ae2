import type { Clock } from '../../clock.js';
import type { Session } from '../../database/database.js';
import { AggregatePostgresError } from '../../errors.js';
import type { SchemaNames } from '../../schema/schema-names.js';
import { type Statement, textIn } from '../../transaction/statement.js';
import { nodeOf, pathTo, type Shard } from './shard.js';

/** A server that answers no statement for so long is taken for lost, in milliseconds. */
const ANSWER_WITHIN_MS = 30_000;

export interface LockParts {
  readonly session: Session;
  readonly names: SchemaNames;
  readonly topic: string;
  readonly shard: Shard;
  /** The server ends a session that asks nothing for so long, in milliseconds: a relay that is frozen. */
  readonly silentForMs: number;
  readonly clock: Clock;
}

/**
 * The connection that holds a shard's advisory lock. All that a relay reads goes through it. So a relay whose session
 * has ended reads nothing any more: it can only send rows that its successor sees, too.
 *
 * Processes with other numbers of shards exclude each other as well. A shard takes its own lock alone, and shares the
 * locks of those that contain it.
 */
export class LockedSession {
  readonly run: Statement;
  readonly lost: Promise<Error>;
  readonly #lose: (error: Error) => void;

  constructor(private readonly parts: LockParts) {
    let lose: (error: Error) => void = () => undefined;
    const silent = new Promise<Error>((resolve) => (lose = resolve));
    this.#lose = lose;
    this.lost = Promise.race([parts.session.lost, silent]);
    this.run = (sql, values) => this.#answered(sql, values);
  }

  /** Lets the server end this session if the process is frozen. PostgreSQL 13 knows no such setting. */
  async prepare(): Promise<void> {
    await this.run(
      `select set_config('idle_session_timeout', $1::text, false) as timeout
       where current_setting('server_version_num')::int >= 140000`,
      [String(this.parts.silentForMs)],
    );
  }

  /** Takes the lock if it is free. */
  async tryLock(): Promise<boolean> {
    const path = pathTo(nodeOf(this.parts.shard));
    for (const [place, node] of path.entries()) {
      const way = place === path.length - 1 ? 'pg_try_advisory_lock' : 'pg_try_advisory_lock_shared';
      const [row] = await this.run(`select ${way}($1::text::bigint)::text as taken`, [this.#keyOf(node)]);
      if (textIn(row, 'taken') === 'true') continue;
      await this.run('select pg_advisory_unlock_all()::text as done', []);
      return false;
    }
    return true;
  }

  listen(channel: string, heard: (payload: string) => void): Promise<void> {
    return this.parts.session.listen(channel, heard);
  }

  /** Closes the connection, and the lock falls. It is not for another use: the server would end it when it rests. */
  async close(): Promise<void> {
    await this.parts.session.release({ broken: true });
  }

  #keyOf(node: number): string {
    const { names, topic } = this.parts;
    return names.lockKey('relay', topic, String(node)).toString();
  }

  async #answered(sql: string, values: readonly (string | null)[]): ReturnType<Statement> {
    const answer = this.parts.session.run(sql, values);
    let timer: { cancel(): void } | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = this.parts.clock.after(ANSWER_WITHIN_MS, () => {
        const error = silentServer();
        this.#lose(error);
        reject(error);
      });
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      timer?.cancel();
    }
  }
}

function silentServer(): AggregatePostgresError {
  return new AggregatePostgresError(
    'POSTGRES_UNAVAILABLE',
    `expected PostgreSQL to answer the relay within ${ANSWER_WITHIN_MS} ms, found no answer; check the server, and ` +
      'what holds locks on the outbox',
  );
}
