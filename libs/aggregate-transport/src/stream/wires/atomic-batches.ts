import type { StreamConfig } from '../api/api-types.js';
import { ATOMIC_BATCHES_SINCE, isServerAtLeast } from '../connection/server-version.js';

/** True if a server of this version can store several events as one. Pure. */
export function hasAtomicBatches(serverVersion: string): boolean {
  return isServerAtLeast(serverVersion, ATOMIC_BATCHES_SINCE);
}

/** Why this stream takes no atomic batches from us; undefined if it does. Pure. */
export function batchObstacle(
  config: Pick<StreamConfig, 'allow_atomic'>,
  serverVersion: string,
): string | undefined {
  if (!hasAtomicBatches(serverVersion)) {
    return `nats-server ${serverVersion} is older than ${ATOMIC_BATCHES_SINCE.join('.')}`;
  }
  return config.allow_atomic === true ? undefined : 'the stream was made without allow_atomic';
}
