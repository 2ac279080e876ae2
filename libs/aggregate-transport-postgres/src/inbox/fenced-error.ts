import { type BlockedBySettings, BLOCKS_AGGREGATE } from 'nestjs-aggregate-transport';
import { AggregatePostgresError } from '../errors.js';
import type { InboxPlace } from './inbox-place.js';

/**
 * A newer owner than this one has written the aggregate's row. Its transaction has to roll back. The event is neither
 * retried nor parked: its aggregate blocks. Either this process is no owner any more and must do nothing. Or database
 * and stream were restored to different times, and only an operator can tell.
 */
export class FencedError extends AggregatePostgresError {
  /** Why the aggregate waits, and what an operator does. */
  readonly [BLOCKS_AGGREGATE]: BlockedBySettings;

  constructor(
    /** The row that would have been written. */
    readonly place: InboxPlace,
    /** The fencing token in the row. */
    readonly storedToken: bigint,
  ) {
    super(
      'FENCED',
      `expected a fencing token of at most ${place.token} for aggregate "${place.aggregate}" of "${place.topic}" in ` +
        `group "${place.group}", found ${storedToken}; nothing was written: a newer owner handles it. If none does, ` +
        'because streams were restored to an earlier time, run npx aggregate-transport inbox reset',
    );
    this[BLOCKS_AGGREGATE] = {
      problem: 'settings-changed',
      why:
        `the inbox holds fencing token ${storedToken} for aggregate "${place.aggregate}", and the own token is ` +
        `${place.token}: another process has applied a later event, or database and streams were restored to ` +
        'different times',
      do: 'if another process owns the partition, nothing; after a restore stop the group and run npx aggregate-transport inbox reset, or inbox.reset(group)',
    };
  }
}
