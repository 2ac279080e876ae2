import type { ClientSocket } from '../port/client-frames.js';

/** Takes texts of ASCII, one after the other. */
export interface AsciiSink {
  ascii(text: string): void;
}

/** A message whose parts are texts. Subject and headers are written part by part, as joining them costs more. */
export interface TextMessage {
  readonly subjectBytes: number;
  readonly headerBytes: number;
  /** The bytes of header block and body together. */
  readonly size: number;
  /** The body. */
  readonly text: string;
  writeSubject(to: AsciiSink): void;
  /** Writes the header block. */
  writeHeaders(to: AsciiSink): void;
}

/** Memory of so many bytes is taken at a time, and the largest message that is written into it is as long. */
const PIECE_BYTES = 65_536;
const END = '\r\n';
const SPACE = ' ';
const COMMAND = 'HPUB ';
/** Between the parts of a message's first line, with two numbers of up to ten digits. */
const LINE_BYTES = COMMAND.length + 3 * SPACE.length + 2 * 10 + END.length;

/**
 * Writes messages into shared memory, so that the socket gets those of one turn as one piece. By itself the client
 * makes four byte arrays per message. A piece leaves when it is full, and with the microtasks of its turn. Its memory
 * is never written twice, because the socket may still hold it.
 *
 * A message that takes another way on the same connection must not pass those in the piece: call {@link flush} first.
 */
export class MessagePieces implements AsciiSink {
  #memory = Buffer.alloc(0);
  /** Where the piece begins that did not leave yet, and where it ends. */
  #from = 0;
  #to = 0;
  #messages = 0;
  #bytes = 0;
  #isScheduled = false;

  constructor(private readonly socket: ClientSocket) {}

  /** Sends the message, to be answered at `inbox` and `id` if there is an id. False if it is too long for a piece. */
  add(message: TextMessage, inbox: string, id: string): boolean {
    const { subjectBytes, headerBytes, size } = message;
    const most = LINE_BYTES + subjectBytes + inbox.length + id.length + size + END.length;
    if (most > PIECE_BYTES) return false;
    if (most > this.#memory.length - this.#to) this.#takeMemory();
    this.ascii(COMMAND);
    message.writeSubject(this);
    this.ascii(SPACE);
    if (id !== '') {
      this.ascii(inbox);
      this.ascii(id);
      this.ascii(SPACE);
    }
    this.ascii(String(headerBytes));
    this.ascii(SPACE);
    this.ascii(String(size));
    this.ascii(END);
    message.writeHeaders(this);
    this.#to += this.#memory.write(message.text, this.#to, 'utf8');
    this.ascii(END);
    this.#messages++;
    this.#bytes += size;
    if (!this.#isScheduled) this.#schedule();
    return true;
  }

  /** A loop: for texts this short, it costs less than a call into native code. */
  ascii(text: string): void {
    const memory = this.#memory;
    const to = this.#to;
    const { length } = text;
    for (let at = 0; at < length; at++) memory[to + at] = text.charCodeAt(at);
    this.#to = to + length;
  }

  /** Gives the socket the piece as it is now. */
  flush(): void {
    const piece = this.#memory.subarray(this.#from, this.#to);
    if (piece.length === 0) return;
    const sent = { messages: this.#messages, bytes: this.#bytes };
    this.#from = this.#to;
    this.#messages = 0;
    this.#bytes = 0;
    this.socket.write(piece, sent);
  }

  #takeMemory(): void {
    this.flush();
    // Not of the memory that small buffers share: a piece would keep theirs alive.
    this.#memory = Buffer.allocUnsafeSlow(PIECE_BYTES);
    this.#from = 0;
    this.#to = 0;
  }

  #schedule(): void {
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.flush();
    });
  }
}
