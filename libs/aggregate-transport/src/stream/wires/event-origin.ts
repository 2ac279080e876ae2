import type { DeliveryOrigin } from '../../message/delivery.js';
import { isUnsampledIn } from '../../traceparent.js';
import { tokenOfSubject } from '../../message/subject.js';
import { bodyOf, headersOf, type RawMessage } from '../api/stored-message.js';
import { exactNanosOf } from '../api/time.js';
import type { ClientFrames } from '../port/client-frames.js';
import type { MessageHeaders, NatsMessage } from '../port/nats-message.js';
import { parseReplySubject, storedAtOf } from './reply-subject.js';

/** What all deliveries of a reader have in common. */
export interface DeliverySource {
  readonly replyPrefix: string;
  readonly frames: Pick<ClientFrames, 'headerBytesOf'>;
}

/** An event that a reader delivered. Times and headers are read only if they are asked for. */
export class DeliveredEvent implements DeliveryOrigin {
  readonly subject: string;
  readonly token: string;
  readonly sequence: number;
  readonly consumerSequence: number;
  readonly body: Uint8Array;

  constructor(
    private readonly message: NatsMessage,
    private readonly source: DeliverySource,
  ) {
    this.subject = message.subject;
    this.token = tokenOfSubject(message.subject);
    const place = parseReplySubject(message.reply ?? '', source.replyPrefix);
    this.sequence = place.streamSequence;
    this.consumerSequence = place.consumerSequence;
    this.body = message.data;
  }

  readHeaders(): Readonly<Record<string, string>> {
    return recordOf(this.message.headers);
  }

  isTraceUnsampled(): boolean | undefined {
    const block = this.source.frames.headerBytesOf(this.message);
    return block && isUnsampledIn(block);
  }

  readStoredAt(): string {
    return storedAtOf(this.message.reply ?? '');
  }
}

/** An event that was asked for by its sequence. */
export class FetchedEvent implements DeliveryOrigin {
  readonly subject: string;
  readonly token: string;
  readonly sequence: number;
  /** No reader delivered it. */
  readonly consumerSequence = 0;
  readonly body: Uint8Array;

  constructor(private readonly message: RawMessage) {
    this.subject = message.subject;
    this.token = tokenOfSubject(message.subject);
    this.sequence = message.seq;
    this.body = bodyOf(message);
  }

  readHeaders(): Readonly<Record<string, string>> {
    return headersOf(this.message);
  }

  readStoredAt(): string {
    return exactNanosOf(this.message.time);
  }
}

function recordOf(headers: MessageHeaders | undefined): Record<string, string> {
  const record: Record<string, string> = {};
  for (const [name] of headers ?? []) record[name] = headers?.get(name) ?? '';
  return record;
}
