import type { EventPlan } from '../consumer/scenario.js';
import { TOPIC } from '../consumer/scenario.js';
import { readStream } from '../harness/read-stream.js';

/** An event as the stream has it. */
export interface StoredEvent {
  readonly key: string;
  readonly n: number;
  readonly seq: number;
  /** Of 256, by the bits of its subject: the partitions of a group are ranges of slots. */
  readonly slot: number;
}

const SLOTS = 256;
const BITS = 8;

/** The partition, among `partitions`, that an event belongs to. Pure. */
export function partitionOf({ slot }: Pick<StoredEvent, 'slot'>, partitions: number): number {
  return Math.floor((slot * partitions) / SLOTS);
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** The slot of an aggregate's token: FNV-1a of 32 bits, modulo the number of slots. Pure. */
export function slotOfToken(token: string): number {
  let hash = FNV_OFFSET;
  for (const byte of Buffer.from(token)) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return (hash >>> 0) % SLOTS;
}

/** The slot that a subject `<topic>.<b7>.….<b0>.<token>` names. Pure. */
function slotOf(subject: string): number {
  return Number.parseInt(
    subject
      .split('.')
      .slice(1, 1 + BITS)
      .join(''),
    2,
  );
}

/** Reads the whole stream through a plain ordered consumer, past the library. */
export function readStored(url: string): Promise<StoredEvent[]> {
  return readStream(url, TOPIC, (message) => {
    const { aggregate_id: key, payload } = message.json<{ aggregate_id: string; payload: EventPlan }>();
    return { key, n: payload.n, seq: message.seq, slot: slotOf(message.subject) };
  });
}
