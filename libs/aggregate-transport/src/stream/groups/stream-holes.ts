import type { StreamHoles } from '../../records/group-on-server.js';
import type { StreamInfo } from '../api/api-types.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import { purgedBetween } from '../keys/purged-events.js';

/** Longer lists are not read: the answer would take megabytes. */
const MAX_LISTED = 200_000;

/** A topic without a stream has none. */
export const NO_HOLES: StreamHoles = { version: '', count: 0, sequences: [] };

/**
 * The sequences that a stream has lost from its middle: deleted messages, purges by subject, limits per subject, times
 * to live. Those that an operator has purged with `aggregate purge` are not lost, and left out. Their number is part of
 * every look. The list costs two requests, made if something was removed since `known`; without `known` it is not read.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function holesOf(
  api: JetStreamApi,
  { config, created, state }: StreamInfo,
  { known, timeoutMs }: { readonly known: string | undefined; readonly timeoutMs: number },
): Promise<StreamHoles> {
  const { last_seq, messages, num_deleted: count = 0 } = state;
  const version = `${created} ${last_seq - messages}`;
  if (known === undefined || known === version) return { version, count, sequences: undefined };
  if (count === 0) return { version, count, sequences: [] };
  const listed = count > MAX_LISTED ? undefined : await listedHoles(api, config.name, timeoutMs);
  // Read after the list: a purge writes down what it removes before it does.
  const stream = { topic: config.name, created };
  const purged = await purgedBetween(api, stream, { after: state.first_seq, before: last_seq });
  if (listed === undefined) return { version, count: count - purged.length, sequences: undefined };
  const wanted = new Set(purged);
  const sequences = listed.filter((sequence) => !wanted.has(sequence)).sort((a, b) => a - b);
  return { version, count: sequences.length, sequences };
}

async function listedHoles(api: JetStreamApi, stream: string, timeoutMs: number): Promise<number[]> {
  const details = { deleted_details: true };
  const found = await api.request<StreamInfo>(`STREAM.INFO.${stream}`, details, timeoutMs);
  return found.state.deleted ?? [];
}
