import type { StreamConfig } from '../api/configuration.js';

/** The first server whose atomic batches know dedup ids (ADR-50, revision 6). */
const OLDEST_SERVER = [2, 12, 1] as const;

/** Whether a server of this version can store several events as one. */
export function hasAtomicBatches(serverVersion: string): boolean {
  const found = serverVersion.split('.').map((part) => Number.parseInt(part, 10) || 0);
  for (const [index, oldest] of OLDEST_SERVER.entries()) {
    const part = found[index] ?? 0;
    if (part !== oldest) return part > oldest;
  }
  return true;
}

/** Why this stream takes no atomic batches from us; undefined if it does. Pure. */
export function batchObstacle(config: StreamConfig, serverVersion: string): string | undefined {
  if (!hasAtomicBatches(serverVersion)) {
    return `nats-server ${serverVersion} is older than ${OLDEST_SERVER.join('.')}`;
  }
  return config.allow_atomic === true ? undefined : 'the stream was made without allow_atomic';
}
