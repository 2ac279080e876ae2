import type { ChangeResult, CommandResult, RetryAllResult } from 'nestjs-aggregate-transport/operating';
import type { CommandEnd } from '../source/board-source.js';

/** What became of a letter command, for a reader. Pure. */
export function letterEnd(result: CommandResult): CommandEnd {
  switch (result.outcome) {
    case 'unparked':
      return { isDone: true, text: 'no letter is left, and the aggregate is live again' };
    case 'parked':
      return { isDone: true, text: 'carried out; the aggregate stays parked, because letters are left' };
    case 'failed':
      return {
        isDone: false,
        text: `the first letter failed again, and the aggregate stays parked: ${result.error}`,
      };
    case 'running':
      return { isDone: false, text: 'the owner is still at it, and continues without this page' };
  }
}

/** Pure. */
export function retryAllEnd({ unparked, failed }: RetryAllResult): CommandEnd {
  const [first] = failed;
  const why = first === undefined ? '' : `; the first that failed is "${first.aggregateId}": ${first.error}`;
  return {
    isDone: failed.length === 0,
    text: `${unparked.length} live again, ${failed.length} still parked${why}`,
  };
}

/** Pure. */
export function changeEnd({ state, why }: ChangeResult): CommandEnd {
  switch (state) {
    case 'planned':
      return { isDone: true, text: 'planned; nothing was changed' };
    case 'done':
      return { isDone: true, text: 'it is in force' };
    case 'cancelled':
      return { isDone: false, text: 'it was called off' };
    case 'waiting':
      return { isDone: false, text: `it still waits, and the replicas continue it: ${why ?? 'they drain'}` };
  }
}
