/** A message on a NATS connection, in either direction. */
export interface WireMessage {
  readonly subject: string;
  /** Where the answer is to go; empty if nowhere. */
  readonly reply: string;
  readonly headers: string;
  readonly body: string;
}

const LINE_END = '\r\n';
const WITH_PAYLOAD = /^(H?PUB|H?MSG) /;

/** Finds the messages in one direction of a connection, however its bytes are cut; passes over the rest. */
export class WireReader {
  #rest: Buffer = Buffer.alloc(0);

  constructor(private readonly onMessage: (message: WireMessage) => void) {}

  feed(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let used: number;
    do {
      used = this.#takeOne();
      this.#rest = this.#rest.subarray(used);
    } while (used > 0);
  }

  /** The bytes of the first command, or 0 if it is not complete. */
  #takeOne(): number {
    const end = this.#rest.indexOf(LINE_END);
    if (end < 0) return 0;
    const line = this.#rest.toString('latin1', 0, end);
    const start = end + LINE_END.length;
    const verb = WITH_PAYLOAD.exec(line)?.[1];
    if (verb === undefined) return start;
    const words = line.split(' ').filter((word) => word !== '');
    const total = Number(words.pop());
    const headerBytes = verb.startsWith('H') ? Number(words.pop()) : 0;
    const stop = start + total + LINE_END.length;
    if (this.#rest.length < stop) return 0;
    const [, subject = '', ...others] = words;
    this.onMessage({
      subject,
      reply: others[verb.endsWith('MSG') ? 1 : 0] ?? '',
      headers: this.#rest.toString('utf8', start, start + headerBytes),
      body: this.#rest.toString('utf8', start + headerBytes, start + total),
    });
    return stop;
  }
}
