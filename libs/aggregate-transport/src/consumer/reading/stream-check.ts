import { isSabotaged } from '#sabotage';
import { type Clock, delay } from '../../clock.js';
import type { ReaderPort, StreamState } from '../../message/reader-port.js';

/** An event that is known to have existed. */
export interface KnownEvent {
  readonly sequence: number;
  /** When the stream stored it, in nanoseconds since 1970; '' if not known. */
  readonly time: string;
}

export type StreamVerdict =
  | { readonly kind: 'same'; readonly stream: StreamState }
  /** The stream was deleted and made again: its sequences mean other events. */
  | { readonly kind: 'made again'; readonly stream: StreamState }
  /** The stream was restored to an earlier time: sequences that were handled will be given to other events. */
  | { readonly kind: 'went back'; readonly stream: StreamState };

/** A wrong halt costs a restart, so a stream is looked at twice. */
const LOOK_AGAIN_MS = 1_000;

/**
 * Compares the stream with what is known of it. `created` '' means that no stream is known yet.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function checkStream(
  port: Pick<ReaderPort, 'stream' | 'find'>,
  clock: Clock,
  known: { readonly created: string; readonly events: readonly KnownEvent[] },
): Promise<StreamVerdict> {
  const first = await look(port, known);
  if (first.kind !== 'went back') return first;
  await delay(clock, LOOK_AGAIN_MS);
  return look(port, known);
}

async function look(
  port: Pick<ReaderPort, 'stream' | 'find'>,
  { created, events }: { readonly created: string; readonly events: readonly KnownEvent[] },
): Promise<StreamVerdict> {
  const stream = await port.stream();
  if (created !== '' && created !== stream.created) return { kind: 'made again', stream };
  if (isSabotaged('regression-unnoticed')) return { kind: 'same', stream };
  for (const { sequence, time } of events) {
    if (stream.lastSequence < sequence) return { kind: 'went back', stream };
    if (time === '' || sequence < stream.firstSequence) continue;
    const event = await port.find(sequence);
    if (event !== undefined && event.origin.readStoredAt() !== time) return { kind: 'went back', stream };
  }
  return { kind: 'same', stream };
}
