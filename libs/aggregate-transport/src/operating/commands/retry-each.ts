import type { Clock } from '../../clock.js';
import { describeError, hasCode } from '../../errors.js';
import { beginPaced, type CommandResult } from './operator-commands.js';

/** What became of each aggregate of a `retryAll`. */
export interface RetryAllResult {
  /** Ids of those that are live again. */
  readonly unparked: readonly string[];
  /** Those that stay parked, and why. */
  readonly failed: readonly { readonly aggregateId: string; readonly error: string }[];
}

/** How far a `retryAll` is. */
export interface RetryAllProgress {
  /** Aggregates that match. */
  readonly total: number;
  /** Live again so far. */
  readonly unparked: number;
  /** Stayed parked so far. */
  readonly failed: number;
}

export interface RetryEachOptions {
  /** Begun per second. */
  readonly ratePerSecond: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: RetryAllProgress) => void) | undefined;
}

const LEAST_RATE = 0.01;
export const DEFAULT_RATE = 20;

/**
 * Retries one aggregate after the other, so many a second, and resolves when each is answered. Rejects only with what
 * `onProgress` threw first, when each is answered nevertheless.
 */
export async function retryEach(
  aggregateIds: readonly string[],
  retry: (aggregateId: string) => Promise<CommandResult>,
  { ratePerSecond, clock, signal, onProgress }: RetryEachOptions,
): Promise<RetryAllResult> {
  const unparked: string[] = [];
  const failed: { aggregateId: string; error: string }[] = [];
  let fault: { readonly error: unknown } | undefined;
  const tell = (): void => {
    try {
      const counts = { total: aggregateIds.length, unparked: unparked.length, failed: failed.length };
      if (fault === undefined) onProgress?.(counts);
    } catch (error) {
      fault = { error };
    }
  };
  const begin = async (aggregateId: string): Promise<void> => {
    try {
      const result = await retry(aggregateId);
      if (result.outcome === 'unparked') unparked.push(aggregateId);
      else failed.push({ aggregateId, error: result.outcome === 'failed' ? result.error : result.outcome });
    } catch (error) {
      // It was unparked before its turn came.
      if (hasCode(error, 'NOT_PARKED')) unparked.push(aggregateId);
      else failed.push({ aggregateId, error: describeError(error) });
    }
    tell();
  };
  const pace = { ratePerSecond: Math.max(LEAST_RATE, ratePerSecond), clock, signal };
  await beginPaced(aggregateIds, pace, begin);
  throwFault(fault);
  return { unparked, failed };
}

function throwFault(fault: { readonly error: unknown } | undefined): void {
  if (fault !== undefined) throw fault.error;
}
