import { type Clock, delay } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import { NatsFailure } from '../port/nats-failure.js';
import { UnconfirmedError } from './confirmed-publish.js';
import { JetStreamApiError } from './jetstream-api.js';

const AGAIN_AFTER_MS = 100;
const PATIENCE_MS = 10_000;
/** "JetStream system temporarily unavailable", "no suitable peers": a cluster that has just begun. */
const PASSING_ERRORS = [10008, 10005];

/**
 * Repeats what a start-up asks of JetStream while no server answers. A stream or a key-value bucket that has just been
 * made in a cluster has no leader for a moment.
 * @throws what the action throws, if it has another reason, still does after ten seconds, or `signal` has aborted
 */
export async function untilAnswered<T>(
  clock: Clock,
  action: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const until = clock.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!isPassing(error) || clock.now() > until || signal?.aborted === true) throw error;
      await delay(clock, AGAIN_AFTER_MS);
    }
  }
}

function isPassing(error: unknown): boolean {
  if (error instanceof UnconfirmedError) return error.isPassing;
  if (error instanceof JetStreamApiError) return PASSING_ERRORS.includes(error.errorCode);
  const cause = error instanceof AggregateTransportError ? error.cause : error;
  return cause instanceof NatsFailure && (cause.code === 'NO_RESPONDERS' || cause.code === 'TIMEOUT');
}
