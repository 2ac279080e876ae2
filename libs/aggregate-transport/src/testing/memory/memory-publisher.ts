import type { Clock } from '../../clock.js';
import type { PublishListener, PublishPort } from '../../publisher/publish-port.js';
import type { MemoryStream } from './memory-stream.js';

interface MemoryPublisherOptions {
  readonly clock: Clock;
  readonly maxPayloadBytes: number;
}

/** A publisher's way to a stream in memory. Events arrive in a later turn, and answers in another. */
export function connectPublisher(
  stream: MemoryStream,
  { clock, maxPayloadBytes }: MemoryPublisherOptions,
  listener: PublishListener,
): PublishPort {
  let isOpen = true;
  return {
    get connected() {
      return isOpen;
    },
    send: (id, event) =>
      clock.nextTurn(() => {
        const answer = stream.append(event);
        clock.nextTurn(() => isOpen && listener.answered(id, answer));
      }),
    maxPayloadBytes,
    // Never called: streams in memory have no batches, and say so.
    openBatch: () => undefined,
    storeBatch: () => undefined,
    lastSequence: (subject) => Promise.resolve(stream.lastSequenceOf(subject)),
    findStored: (subject, messageId, afterSequence) =>
      Promise.resolve(stream.findStored(subject, messageId, afterSequence)),
    hasDropped: (sequence) => Promise.resolve(stream.hasDropped(sequence)),
    close: () => {
      isOpen = false;
    },
  };
}
