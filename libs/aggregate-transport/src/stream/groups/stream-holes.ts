import type { StreamHoles } from '../../records/group-on-server.js';
import type { StreamInfo } from '../api/api-types.js';
import type { JetStreamApi } from '../api/jetstream-api.js';

/** Longer lists are not read: the answer would take megabytes. */
const MAX_LISTED = 200_000;

/** A topic without a stream has none. */
export const NO_HOLES: StreamHoles = { version: '', count: 0, sequences: [] };

/**
 * The sequences that a stream has lost from its middle: deleted messages, purges by subject, limits per subject, times
 * to live. Their number is part of every look. The list costs a request, made if something was removed since `known`;
 * without `known` it is not read.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function holesOf(
  api: JetStreamApi,
  { config, created, state }: StreamInfo,
  { known, timeoutMs }: { readonly known: string | undefined; readonly timeoutMs: number },
): Promise<StreamHoles> {
  const { last_seq, messages, num_deleted: count = 0 } = state;
  const version = `${created} ${last_seq - messages}`;
  const isWanted = known !== undefined && known !== version && count <= MAX_LISTED;
  if (!isWanted) return { version, count, sequences: undefined };
  if (count === 0) return { version, count, sequences: [] };
  const details = { deleted_details: true };
  const found = await api.request<StreamInfo>(`STREAM.INFO.${config.name}`, details, timeoutMs);
  const sequences = found.state.deleted ?? [];
  return { version, count, sequences: [...sequences].sort((a, b) => a - b) };
}
