import { AggregateTransportError } from '../../errors.js';
import type { StreamState } from '../../message/reader-port.js';
import type { StreamRoom } from '../../records/group-on-server.js';
import type { StreamInfo } from './api-types.js';
import type { JetStreamApi } from './jetstream-api.js';
import { exactNanosOf, msOf } from './time.js';

/** Go's zero time: the answer of a server that does not know the stream yet. */
const NEVER = '0001-';

/**
 * What the leader of a stream says of it. In a cluster a server without a leader answers with zeros; to believe them
 * would be to take the stream for an empty one.
 * @throws JETSTREAM_REQUEST_FAILED if there is no stream, no leader, or no answer in time
 */
export async function streamStateOf(
  api: JetStreamApi,
  stream: string,
  timeoutMs?: number,
): Promise<StreamState> {
  return streamStateFrom(
    stream,
    await api.request<StreamInfo>(`STREAM.INFO.${stream}`, undefined, timeoutMs),
  );
}

/**
 * What an answer of the server says of a stream.
 * @throws JETSTREAM_REQUEST_FAILED if the stream has no leader
 */
export function streamStateFrom(stream: string, info: StreamInfo): StreamState {
  requireLeader(stream, info);
  const { created, state } = info;
  const { first_seq: firstSequence, last_seq: lastSequence } = state;
  return { created, firstSequence, lastSequence, isRestored: isRestored(info) };
}

function isRestored({ created, state }: StreamInfo): boolean {
  if (state.messages === 0) return false;
  const [made, first] = [exactNanosOf(created), exactNanosOf(state.first_ts)];
  return made !== '' && first !== '' && BigInt(first) < BigInt(made);
}

/** How near a stream is to its limits. Pure. */
export function streamRoomFrom({ config, state }: StreamInfo): StreamRoom {
  const limit = (value: number): number | undefined => (value > 0 ? value : undefined);
  const dropsOld = config.discard === 'old';
  return {
    lastSequence: state.last_seq,
    messages: state.messages,
    bytes: state.bytes,
    maxMessages: dropsOld ? limit(config.max_msgs) : undefined,
    maxBytes: dropsOld ? limit(config.max_bytes) : undefined,
    maxAgeMs: config.max_age > 0 ? msOf(config.max_age) : undefined,
  };
}

function requireLeader(stream: string, { cluster, created }: StreamInfo): void {
  const isLed = cluster === undefined || (cluster.leader ?? '') !== '';
  if (isLed && !created.startsWith(NEVER)) return;
  throw new AggregateTransportError(
    'JETSTREAM_REQUEST_FAILED',
    `expected stream "${stream}" to have a leader, found none yet; ` +
      'it elects one by itself while most of its servers run',
  );
}
