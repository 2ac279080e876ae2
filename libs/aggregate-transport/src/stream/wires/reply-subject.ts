export interface DeliveryCounts {
  deliveryCount: number;
  streamSequence: number;
  consumerSequence: number;
}

/** `$JS.ACK.<stream>.<consumer>.`: what the ack subjects of one consumer begin with on servers before the v2 form. */
export function ackSubjectPrefix(stream: string, consumer: string): string {
  return `$JS.ACK.${stream}.${consumer}.`;
}

const DOT = 46;
const ZERO = 48;
/** In the v2 form (ADR-15) a domain and an account hash stand before the stream. */
const V2_TOKENS_BEFORE_COUNTS = 6;

/**
 * Reads the numbers the server packs into a delivery's ack subject (ADR-15):
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`.
 * Written as a loop over digits because it runs for every event.
 */
export function parseAckSubject(subject: string, prefix: string): DeliveryCounts {
  let at = subject.startsWith(prefix) ? prefix.length : startOfCounts(subject);
  const next = (): number => {
    let value = 0;
    for (; at < subject.length; at++) {
      const code = subject.charCodeAt(at);
      if (code === DOT) break;
      value = value * 10 + (code - ZERO);
    }
    at++;
    return value;
  };
  return { deliveryCount: next(), streamSequence: next(), consumerSequence: next() };
}

function startOfCounts(subject: string): number {
  let at = 0;
  for (let token = 0; token < V2_TOKENS_BEFORE_COUNTS; token++) at = subject.indexOf('.', at) + 1;
  return at;
}

const NANOS_PER_MS = 1_000_000;

/** When the event of an ack subject was stored, in milliseconds since 1970: its last token but one, in nanoseconds. */
export function storedAtOf(ackSubject: string): number {
  const nanos = Number(ackSubject.split('.').at(-2));
  return Number.isFinite(nanos) ? Math.round(nanos / NANOS_PER_MS) : 0;
}
