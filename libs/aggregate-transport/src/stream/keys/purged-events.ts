import { inParallel } from '../../in-parallel.js';
import {
  byPurgedPart,
  type PurgedRecord,
  purgedPartOf,
  sequencesOf,
  withPurged,
} from '../../records/purged-record.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import { subjectsOf } from '../api/subjects.js';
import { positionsStreamOf, purgedPlace, purgedPrefix } from './key-places.js';
import { readKey } from './kv.js';
import { type KeyAccess, PartitionKey } from './partition-key.js';

const TIMEOUT_MS = 2_000;
const AT_ONCE = 16;

/** Names a stream: its sequences mean nothing in another one. */
export interface PurgedStream {
  readonly topic: string;
  readonly created: string;
}

/**
 * Writes down that events are about to be purged. Safe to call again, and from several processes.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function notePurged(
  access: KeyAccess,
  { topic, created }: PurgedStream,
  sequences: readonly number[],
): Promise<void> {
  await inParallel([...byPurgedPart(sequences)], AT_ONCE, async ([part, some]) => {
    const key = new PartitionKey<PurgedRecord>(access, purgedPlace(topic, part), TIMEOUT_MS);
    for (;;) {
      const { value, revision } = await key.read();
      const record = withPurged(value, created, some);
      if (record === undefined || (await key.write(record, revision)) !== undefined) return;
    }
  });
}

/**
 * The events between two sequences, both excluded, that an operator has purged. One request if there are none.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function purgedBetween(
  api: JetStreamApi,
  { topic, created }: PurgedStream,
  { after, before }: { readonly after: number; readonly before: number },
): Promise<readonly number[]> {
  const prefix = purgedPrefix(topic);
  const subjects = await subjectsOf(api, positionsStreamOf(topic), `${prefix}*`, TIMEOUT_MS);
  const parts = [...subjects.keys()]
    .map((subject) => Number(subject.slice(prefix.length)))
    .filter((part) => part >= purgedPartOf(after) && part <= purgedPartOf(before))
    .toSorted((a, b) => a - b);
  const found = await inParallel(parts, AT_ONCE, async (part) => {
    const { value } = await readKey<PurgedRecord>(api, purgedPlace(topic, part), TIMEOUT_MS);
    return sequencesOf(value, created);
  });
  return found.flat().filter((sequence) => sequence > after && sequence < before);
}
