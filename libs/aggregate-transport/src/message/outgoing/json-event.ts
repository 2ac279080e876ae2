import { encodeHeaders, headerBlockOf } from '../headers.js';
import type { OutgoingEvent } from './outgoing-event.js';

const EMPTY_BLOCK_BYTES = headerBlockOf('').length;

/**
 * An event of the JSON codec without headers of its own. It keeps its body as the text that JSON wrote. Bytes of it are
 * made where they are asked for, and a publisher that writes texts to its socket asks for none.
 */
export class JsonEvent implements OutgoingEvent {
  readonly expectedSequence = undefined;
  /** The body's length in bytes. */
  readonly bodyBytes: number;

  constructor(
    readonly token: string,
    readonly subject: string,
    readonly messageId: string,
    /** The body. */
    readonly text: string,
  ) {
    this.bodyBytes = Buffer.byteLength(text, 'utf8');
  }

  /** The header block: ASCII, because tokens and event ids are. */
  get headerText(): string {
    return headerBlockOf(this.messageId);
  }

  get headers(): Uint8Array {
    return encodeHeaders(this.messageId, undefined, undefined);
  }

  get body(): Uint8Array {
    return Buffer.from(this.text, 'utf8');
  }

  get size(): number {
    return EMPTY_BLOCK_BYTES + this.messageId.length + this.bodyBytes;
  }
}
