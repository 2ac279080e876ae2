import { AFTER_ID, BEFORE_ID, batchLinesOf, type BatchPlace, messageIdOf } from '../headers.js';
import { bitsOfToken, subjectOf } from '../subject.js';
import type { OutgoingEvent } from './outgoing-event.js';

/** Takes texts of ASCII, one after the other. */
interface Sink {
  ascii(text: string): void;
}

const COLON = ':';
const DOT = '.';
const END_OF_LINE = '\r\n';
const BITS_BYTES = bitsOfToken('').length;
const EMPTY_BLOCK_BYTES = BEFORE_ID.length + messageIdOf('', '').length + AFTER_ID.length;

/**
 * An event of the JSON codec without headers of its own, but for those that tell its trace. It keeps its body as the
 * text that JSON wrote. Bytes of it are made where they are asked for. A publisher that writes texts to its socket asks
 * for none. Subject and headers are
 * made for each send, because thousands of events may wait and the collector copies what they hold.
 */
export class JsonEvent implements OutgoingEvent {
  readonly expectedSequence = undefined;
  readonly size: number;
  readonly token: string;
  private readonly topic: string;
  private readonly eventId: string;

  constructor(
    { topic, token, eventId }: { readonly topic: string; readonly token: string; readonly eventId: string },
    /** The body. */
    readonly text: string,
    /** Header lines in ASCII, each with its line break before it. */
    private readonly lines = '',
  ) {
    this.topic = topic;
    this.token = token;
    this.eventId = eventId;
    this.size = this.headerBytes + Buffer.byteLength(text, 'utf8');
  }

  get subject(): string {
    return subjectOf(this.topic, this.token);
  }

  get subjectBytes(): number {
    return this.topic.length + DOT.length + BITS_BYTES + DOT.length + this.token.length;
  }

  get messageId(): string {
    return messageIdOf(this.token, this.eventId);
  }

  get headers(): Uint8Array {
    return Buffer.from(`${BEFORE_ID}${this.messageId}${this.lines}${AFTER_ID}`, 'latin1');
  }

  get headerBytes(): number {
    return EMPTY_BLOCK_BYTES + this.token.length + this.eventId.length + this.lines.length;
  }

  get body(): Uint8Array {
    return Buffer.from(this.text, 'utf8');
  }

  /** The event as it is sent within a batch. */
  placed(place: BatchPlace): PlacedEvent {
    return new PlacedEvent(this, batchLinesOf(place));
  }

  writeSubject(to: Sink): void {
    to.ascii(this.topic);
    to.ascii(DOT);
    to.ascii(bitsOfToken(this.token));
    to.ascii(DOT);
    to.ascii(this.token);
  }

  /** Writes the header block: ASCII, because tokens and event ids are. */
  writeHeaders(to: Sink): void {
    this.writeHeadersBut(to, AFTER_ID);
  }

  writeHeadersBut(to: Sink, end: string): void {
    to.ascii(BEFORE_ID);
    to.ascii(this.token);
    to.ascii(COLON);
    to.ascii(this.eventId);
    if (this.lines !== '') to.ascii(this.lines);
    to.ascii(end);
  }
}

/** A text event with its place in a batch. */
class PlacedEvent {
  readonly subjectBytes: number;
  readonly headerBytes: number;
  readonly size: number;
  readonly text: string;

  constructor(
    private readonly event: JsonEvent,
    private readonly lines: string,
  ) {
    this.text = event.text;
    this.subjectBytes = event.subjectBytes;
    this.headerBytes = event.headerBytes + lines.length;
    this.size = event.size + lines.length;
  }

  writeSubject(to: Sink): void {
    this.event.writeSubject(to);
  }

  writeHeaders(to: Sink): void {
    this.event.writeHeadersBut(to, END_OF_LINE);
    to.ascii(this.lines);
    to.ascii(END_OF_LINE);
  }
}
