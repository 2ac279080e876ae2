import { reached } from '#sabotage';
import type { Clock } from '../clock.js';
import type { Database } from '../database/database.js';
import { errorFields, type Log } from '../log.js';
import type { SchemaNames } from '../schema/schema-names.js';
import { CalmLog } from './calm-log.js';
import { LockedSession } from './records/locked-session.js';
import { RelayRecords } from './records/relay-records.js';
import type { Shard } from './records/shard.js';
import { commandNotice, type Stop } from './records/stops.js';
import type { LaneLimits } from './sending/lanes.js';
import type { RelayTarget } from './sending/sender.js';
import { StreamHeight } from './sending/stream-height.js';
import type { RelayTrouble } from './sending/waits.js';
import { Tenure, type TenureListener } from './tenure.js';
import { Wake } from './wake.js';

export interface ShardRelayOptions {
  readonly topic: string;
  readonly shard: Shard;
  readonly names: SchemaNames;
  readonly database: Database;
  readonly target: RelayTarget;
  readonly limits: LaneLimits;
  readonly pollMs: number;
  readonly keepPublishedMs: number | undefined;
  /** A relay that asks the database nothing for so long loses its lock. More than three polls. */
  readonly silentForMs: number;
  /** Host and process, for people. */
  readonly holder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** What it throws is logged. */
  readonly onStopped: (stop: Stop) => void;
}

export type RelayMode = 'waiting' | 'takingOver' | 'relaying' | 'draining' | 'stopped';

const MAY_ENTER_FROM: Readonly<Record<RelayMode, readonly RelayMode[]>> = {
  waiting: ['waiting', 'takingOver', 'relaying'],
  takingOver: ['waiting'],
  relaying: ['takingOver'],
  draining: ['waiting', 'takingOver', 'relaying'],
  stopped: ['draining'],
};

/** How often a contender tries the lock of another relay, in milliseconds. */
const TRY_EVERY_MS = 250;
/** After a failure of the database or the stream, in milliseconds. */
const AGAIN_AFTER_MS = 500;
/** How long a relay that closes waits for what is on its way, in milliseconds. */
const DRAIN_MS = 5_000;
/** How long closing may take, in milliseconds: the database may not answer. */
const CLOSE_WITHIN_MS = 8_000;

/**
 * Relays one shard of a topic whenever this process holds its lock. Its modes:
 *
 * - `waiting`: there is no session, or another relay holds the lock. It tries again four times a second.
 * - `takingOver`: the lock is held. It reads how far the stream has come, and what its predecessors wrote down.
 * - `relaying`: a tenure runs until its session is lost, or the relay closes.
 * - `draining`: nothing begins any more; what is on its way gets its mark.
 * - `stopped`: final. The lock has fallen, and contenders were told.
 */
export class ShardRelay implements TenureListener {
  readonly #end = new AbortController();
  readonly #wake = new Wake();
  #mode: RelayMode = 'waiting';
  #tenure: Tenure | undefined;
  #running: Promise<void> | undefined;
  #published = 0;
  #retried = 0;
  #stops = 0;
  readonly #calm: CalmLog;

  constructor(private readonly options: ShardRelayOptions) {
    this.#calm = new CalmLog(options.clock, options.log);
  }

  get mode(): RelayMode {
    return this.#mode;
  }

  get topic(): string {
    return this.options.topic;
  }

  get shard(): Shard {
    return this.options.shard;
  }

  /** Since the start: rows whose mark is committed, attempts that failed for now, aggregates that were stopped. */
  get counts(): { readonly published: number; readonly retried: number; readonly stopped: number } {
    return { published: this.#published, retried: this.#retried, stopped: this.#stops };
  }

  /** Rows in memory, and the bytes of their bodies. */
  get load(): { readonly rows: number; readonly bytes: number } {
    return { rows: this.#tenure?.rows ?? 0, bytes: this.#tenure?.bytes ?? 0 };
  }

  /** Events of some aggregates are not stored now, each is sent again. None of them is stopped. */
  get trouble(): RelayTrouble | undefined {
    return this.#tenure?.trouble;
  }

  #isEnding(): boolean {
    return this.#end.signal.aborted;
  }

  start(): void {
    this.#running ??= this.#live();
  }

  /** Ends the relay. Resolves when what was on its way is marked, or after 5 s, and the lock has fallen. */
  async close(): Promise<void> {
    if (this.#isEnding()) return this.#running;
    this.#end.abort();
    this.#enter('draining');
    this.#wake.set();
    this.#tenure?.drain();
    const late = this.options.clock.after(DRAIN_MS, () =>
      this.#tenure?.abort(new Error(`the relay had not drained after ${DRAIN_MS} ms`)),
    );
    await Promise.race([this.#running, this.#delay(CLOSE_WITHIN_MS)]);
    late.cancel();
    this.#enter('stopped');
  }

  stopped(stop: Stop): void {
    this.#stops++;
    this.options.onStopped(stop);
  }

  published(count: number): void {
    this.#published += count;
  }

  retried(error: unknown): void {
    this.#retried++;
    this.#say(
      'events-not-stored',
      error,
      `some events are not stored yet: ${textOf(error)}; they are sent again`,
    );
  }

  async #live(): Promise<void> {
    while (!this.#isEnding()) {
      try {
        await this.#once();
      } catch (error) {
        this.#say('relay-restarted', error, `the relay begins again: ${textOf(error)}`);
      }
      if (this.#isEnding()) return;
      if (this.#mode !== 'waiting') this.#enter('waiting');
      await this.#pause(AGAIN_AFTER_MS);
    }
  }

  /** One session, from its beginning to its end. */
  async #once(): Promise<void> {
    const { database, names, topic, shard, clock, silentForMs } = this.options;
    const opened = await database.session();
    const session = new LockedSession({ session: opened, names, topic, shard, clock, silentForMs });
    void session.lost.then((error) => {
      const text = `the relay has lost its connection, and its lock: ${error.message}`;
      if (!this.#isEnding()) this.#say('relay-lock-lost', error, text);
      this.#tenure?.abort(error);
      this.#wake.set();
    });
    try {
      await session.prepare();
      await session.listen(names.channel, (heard) => {
        if (heard === topic) this.#tenure?.wake();
        if (heard === commandNotice(topic)) this.#tenure?.readCommands();
      });
      await session.listen(handOverChannel(names), () => this.#wake.set());
      while (!this.#isEnding() && !(await session.tryLock())) await this.#pause(TRY_EVERY_MS);
      if (!this.#isEnding()) await this.#relay(session);
    } finally {
      this.#tenure = undefined;
      await session.close();
      // The lock has fallen: who waits for it may try at once.
      if (this.#isEnding()) await this.#tellContenders();
    }
  }

  async #relay(session: LockedSession): Promise<void> {
    const { topic, shard, names, target, holder, keepPublishedMs } = this.options;
    const { limits, pollMs, clock, log } = this.options;
    this.#enter('takingOver');
    const progress = await target.progress();
    const height = new StreamHeight(progress);
    const keepsPublished = keepPublishedMs !== undefined;
    const records = new RelayRecords({ run: session.run, names, topic, shard, holder, keepsPublished });
    const takeOver = await records.takeOver(progress);
    reached('relay: taken over');
    if (this.#isEnding()) return;
    this.#enter('relaying');
    const { epoch } = takeOver;
    log.write(
      'shard-relayed',
      { topic, shard: shard.index + 1, shards: shard.count, epoch },
      `topic "${topic}": relays shard ${shard.index + 1} of ${shard.count}, epoch ${epoch}`,
    );
    this.#tenure = new Tenure({
      ...{ topic, shard, names, session, records, target, height, takeOver },
      ...{ limits, pollMs, keepPublishedMs, clock, log, listener: this },
    });
    await this.#tenure.run();
  }

  async #tellContenders(): Promise<void> {
    const { database, names } = this.options;
    await database
      .run('select pg_notify($1::text, $2::text)::text as told', [handOverChannel(names), ''])
      .then(
        () => undefined,
        () => undefined,
      );
  }

  /** Waits, at most so long, for a reason to try again. */
  async #pause(ms: number): Promise<void> {
    const timer = this.options.clock.after(ms, () => this.#wake.set());
    await this.#wake.next();
    timer.cancel();
  }

  #delay(ms: number): Promise<void> {
    return new Promise((resolve) => void this.options.clock.after(ms, resolve));
  }

  #say(
    event: 'events-not-stored' | 'relay-restarted' | 'relay-lock-lost',
    error: unknown,
    text: string,
  ): void {
    const { topic } = this.options;
    this.#calm.write(event, { topic, ...errorFields(error) }, `topic "${topic}": ${text}`);
  }

  #enter(mode: RelayMode): void {
    const allowed = MAY_ENTER_FROM[mode];
    if (!allowed.includes(this.#mode))
      throw new Error(`expected a relay to be ${allowed.join(' or ')} before ${mode}, found ${this.#mode}`);
    this.#mode = mode;
  }
}

/** Where relays that close tell those that wait. */
function handOverChannel(names: SchemaNames): string {
  return `${names.channel}_relay`;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
