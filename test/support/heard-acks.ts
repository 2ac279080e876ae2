import type { Msg } from 'nats';

export interface HeardAcksOptions {
  /** One server, so that it works through the acks of a consumer one after the other, as they passed by. */
  readonly isLone: boolean;
  /** Every ack, when it passes by. */
  readonly sent?: (ack: HeardAck) => void;
  /** An ack that passed by is confirmed; this may be told late, never early. */
  readonly confirmed: (sequence: number) => void;
}

export interface HeardAck {
  readonly sequence: number;
  readonly consumer: string;
  /** It asks for a confirmation. */
  readonly asks: boolean;
}

/** In `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.…`. What is in a reply subject is its sender's business. */
const CONSUMER_TOKEN = 3;
const SEQUENCE_TOKEN = 5;
const MAX_EARLY = 10_000;
const TIDY_FROM = 1_000;

interface Open {
  readonly sequence: number;
  readonly consumer: string;
  isConfirmed: boolean;
}

/** The acks of one consumer in the order they passed by; those before `from` are confirmed. */
interface Line {
  acks: Open[];
  from: number;
}

/**
 * Told of all acks and of all answers that pass by, it tells which events the server has settled. An ack that asks is
 * confirmed by an answer to its reply subject. On a lone server that holds for everything which passed by before it
 * for the same consumer, too; in a cluster acks take different ways, and an answer speaks of its own ack only.
 */
export class HeardAcks {
  /** By consumer; in a cluster none is kept. */
  readonly #lines = new Map<string, Line>();
  /** By reply subject: an ack that is sent again may use the same one. */
  readonly #asking = new Map<string, Open[]>();
  /** Answers whose acks have not come by yet: the two take different ways. */
  readonly #early = new Set<string>();

  constructor(private readonly options: HeardAcksOptions) {}

  /** A message to an ack subject; what is not an ack is passed over. */
  acked({ subject, reply = '', data }: Msg): void {
    // "+ACK": anything else asks for a new delivery, or for time.
    if (data[0] !== 43 || data[1] !== 65) return;
    const tokens = subject.split('.');
    const sequence = Number(tokens[SEQUENCE_TOKEN]);
    const ack: Open = { sequence, consumer: tokens[CONSUMER_TOKEN] ?? '', isConfirmed: false };
    const asks = reply !== '';
    this.options.sent?.({ sequence, consumer: ack.consumer, asks });
    if (this.options.isLone) this.#lineOf(ack).acks.push(ack);
    if (!asks) return;
    const asking = this.#asking.get(reply);
    if (asking === undefined) this.#asking.set(reply, [ack]);
    else asking.push(ack);
    if (this.#early.delete(reply)) this.#answer(reply);
  }

  /** A message to an inbox; what is not a confirmation is passed over. */
  answered({ subject, data, headers }: Msg): void {
    // A confirmation is empty. With headers it is "no responders": nothing was confirmed.
    if (data.length === 0 && headers === undefined && !this.#answer(subject)) this.#keep(subject);
  }

  /** Whoever tells was away: what passed by just before may be lost together with the server, and nobody can say. */
  interrupted(): void {
    this.#lines.clear();
    this.#asking.clear();
    this.#early.clear();
  }

  /** True if an ack that came by has asked for it. Of several with one reply subject the first answer is the first one's. */
  #answer(reply: string): boolean {
    const asking = this.#asking.get(reply);
    if (asking === undefined) return false;
    let ack = asking.shift();
    while (ack?.isConfirmed === true) ack = asking.shift();
    if (asking.length === 0) this.#asking.delete(reply);
    if (ack === undefined) return true;
    if (this.options.isLone) this.#confirmThrough(ack);
    else this.#confirm(ack);
    return true;
  }

  #confirmThrough(last: Open): void {
    const line = this.#lineOf(last);
    while (!last.isConfirmed) this.#confirm(line.acks[line.from++]!);
    if (line.from < TIDY_FROM) return;
    line.acks = line.acks.slice(line.from);
    line.from = 0;
  }

  #confirm(ack: Open): void {
    ack.isConfirmed = true;
    this.options.confirmed(ack.sequence);
  }

  #lineOf({ consumer }: Open): Line {
    let line = this.#lines.get(consumer);
    if (line === undefined) this.#lines.set(consumer, (line = { acks: [], from: 0 }));
    return line;
  }

  #keep(subject: string): void {
    this.#early.add(subject);
    const [oldest = ''] = this.#early;
    if (this.#early.size > MAX_EARLY) this.#early.delete(oldest);
  }
}
