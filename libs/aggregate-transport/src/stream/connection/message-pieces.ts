import type { ClientSocket } from './client-internals.js';

/** A message whose parts are texts. */
export interface TextMessage {
  readonly subject: string;
  /** The header block, ASCII alone. */
  readonly headerText: string;
  /** The body. */
  readonly text: string;
  /** The bytes of header block and body together. */
  readonly size: number;
}

/** Memory of so many bytes is taken at a time, and the largest message that is written into it is as long. */
const PIECE_BYTES = 65_536;
const END = '\r\n';

/**
 * Writes messages into shared memory, so that the socket gets those of one turn as one piece. By itself the client
 * makes four byte arrays per message. A piece leaves when it is full, and with the microtasks of its turn. Its memory
 * is never written twice, because the socket may still hold it.
 *
 * A message that takes another way on the same connection must not pass those in the piece: call {@link flush} first.
 */
export class MessagePieces {
  #memory = Buffer.alloc(0);
  /** Where the piece begins that did not leave yet, and where it ends. */
  #from = 0;
  #to = 0;
  #messages = 0;
  #bytes = 0;
  #isScheduled = false;

  constructor(private readonly socket: ClientSocket) {}

  /** Sends the message, to be answered at `reply` if there is one. False if it is too long for a piece. */
  add(message: TextMessage, reply: string | undefined): boolean {
    const { headerText, size } = message;
    const to = reply === undefined ? '' : `${reply} `;
    const start = `HPUB ${message.subject} ${to}${headerText.length} ${size}${END}${headerText}`;
    const frameBytes = start.length + size - headerText.length + END.length;
    if (frameBytes > PIECE_BYTES) return false;
    if (frameBytes > this.#memory.length - this.#to) this.#takeMemory();
    const memory = this.#memory;
    let at = this.#to;
    at += memory.write(start, at, 'latin1');
    at += memory.write(message.text, at, 'utf8');
    this.#to = at + memory.write(END, at, 'latin1');
    this.#messages++;
    this.#bytes += size;
    if (!this.#isScheduled) this.#schedule();
    return true;
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
