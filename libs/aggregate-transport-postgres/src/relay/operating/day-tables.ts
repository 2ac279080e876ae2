import type { Clock, Timer } from '../../clock.js';
import type { Database } from '../../database/database.js';
import { errorFields, type Log } from '../../log.js';
import { dropEmptyDay, listDays, makeDay, planDays } from '../../schema/days.js';
import type { SchemaNames } from '../../schema/schema-names.js';
import { sqlStateOf } from '../../transaction/failure.js';

export interface DayTablesParts {
  readonly database: Pick<Database, 'run' | 'transaction'>;
  readonly names: SchemaNames;
  readonly clock: Clock;
  readonly log: Log;
}

/** Today, and two days ahead: two days may pass without a relay that is the owner. */
const DAYS = 3;
const KEEP_EVERY_MS = 600_000;
/** The outbox is busy, or an emptied table is slow to look through. The round ends: the next one comes soon enough. */
const PASSES = new Set(['55P03', '57014', '40P01']);
const NO_RIGHT = '42501';

/**
 * Keeps the day tables of a divided outbox: it makes those of tomorrow and the day after, and drops old ones that are
 * empty. Without it all rows go to the rest table, and emptied days stay for ever. Several processes may do so at once.
 * An outbox that is one table is left alone.
 */
export class DayTables {
  #timer: Timer | undefined;
  #isClosed = false;
  #saidLast: string | undefined;

  constructor(private readonly parts: DayTablesParts) {}

  /** Looks at once, and every 10 minutes from then on, until {@link close}. */
  start(): void {
    void this.keep().then(() => {
      if (!this.#isClosed) this.#timer = this.parts.clock.after(KEEP_EVERY_MS, () => this.start());
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  /** Makes and drops what is due now. Never rejects: what fails is logged, and tried again the next time. */
  async keep(): Promise<void> {
    const { database, names, clock, log } = this.parts;
    try {
      const { isDivided, isOwner, days } = await listDays(database.run, names);
      if (!isDivided) return;
      const { make, drop } = planDays({ wallMs: clock.wallNow(), days: DAYS }, days);
      if (!isOwner) {
        if (make.length > 0) this.#sayOnce(`this role does not own ${names.of('outbox')}`);
        return;
      }
      for (const day of make) this.#tell('made', await makeDay(database, names, day));
      for (const day of drop) this.#tell('dropped', await dropEmptyDay(database, names, day));
      this.#saidLast = undefined;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const state = sqlStateOf(error) ?? '';
      if (state === NO_RIGHT) this.#sayOnce(text);
      else if (!this.#isClosed && !PASSES.has(state))
        log.write(
          'day-tables-not-kept',
          { againInMs: KEEP_EVERY_MS, ...errorFields(error) },
          `the day tables could not be kept: ${text}; tried again in 10 minutes`,
        );
    }
  }

  #tell(what: 'made' | 'dropped', name: string | undefined): void {
    if (name === undefined) return;
    const event = what === 'made' ? 'day-table-made' : 'day-table-dropped';
    this.parts.log.write(event, { table: name }, `the day table ${name} was ${what}`);
  }

  #sayOnce(why: string): void {
    if (why === this.#saidLast) return;
    this.#saidLast = why;
    this.parts.log.write(
      'day-tables-not-owned',
      { why },
      `the day tables to come are not made here: ${why}; let its owner run npx aggregate-transport postgres migrate ` +
        '--by-day once a day. Until then events go to the rest table',
    );
  }
}
