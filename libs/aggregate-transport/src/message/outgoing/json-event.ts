import {
  type BatchPlace,
  encodeHeaders,
  headerBlockOf,
  messageIdOf,
  placedHeaderBlockOf,
} from '../headers.js';
import { subjectOf } from '../subject.js';
import type { OutgoingEvent } from './outgoing-event.js';

const EMPTY_BLOCK_BYTES = headerBlockOf(messageIdOf('', '')).length;

/**
 * An event of the JSON codec without headers of its own. It keeps its body as the text that JSON wrote. Bytes of it are
 * made where they are asked for, and a publisher that writes texts to its socket asks for none. Subject and headers are
 * made for each send, because thousands of events may wait and the collector copies what they hold.
 */
export class JsonEvent implements OutgoingEvent {
  readonly expectedSequence = undefined;
  readonly size: number;

  constructor(
    private readonly topic: string,
    readonly token: string,
    private readonly eventId: string,
    /** The body. */
    readonly text: string,
  ) {
    this.size = EMPTY_BLOCK_BYTES + token.length + eventId.length + Buffer.byteLength(text, 'utf8');
  }

  get subject(): string {
    return subjectOf(this.topic, this.token);
  }

  get messageId(): string {
    return messageIdOf(this.token, this.eventId);
  }

  /** The header block: ASCII, because tokens and event ids are. */
  get headerText(): string {
    return headerBlockOf(this.messageId);
  }

  /** The event's parts as they are sent within a batch. */
  placed(place: BatchPlace): Pick<JsonEvent, 'subject' | 'headerText' | 'text' | 'size'> {
    const { subject, text } = this;
    const headerText = placedHeaderBlockOf(this.messageId, place);
    return { subject, headerText, text, size: this.size - this.headerText.length + headerText.length };
  }

  get headers(): Uint8Array {
    return encodeHeaders(this.messageId, undefined, undefined);
  }

  get body(): Uint8Array {
    return Buffer.from(this.text, 'utf8');
  }
}
