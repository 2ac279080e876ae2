import { BLOCKS_AGGREGATE } from 'nestjs-aggregate-transport';
import { AggregatePostgresError } from '../errors.js';
import type { InboxPlace } from './inbox-place.js';

/**
 * A newer owner than this one has written the aggregate's row. Its transaction has to roll back. The event is neither
 * retried nor parked: its aggregate blocks. Either this process is no owner any more and must do nothing. Or database
 * and stream were restored to different times, and only an operator can tell.
 */
export class FencedError extends AggregatePostgresError {
  readonly [BLOCKS_AGGREGATE] = true;

  constructor(
    readonly place: InboxPlace,
    /** The fencing token in the row. */
    readonly storedToken: bigint,
  ) {
    super(
      'FENCED',
      `expected a fencing token of at most ${place.token} for aggregate "${place.aggregate}" of "${place.topic}" in ` +
        `group "${place.group}", found ${storedToken}; nothing was written: a newer owner handles it. If none does, ` +
        'because streams were restored to an earlier time, call inbox.reset(group)',
    );
  }
}
