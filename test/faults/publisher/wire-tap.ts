import type { WireObserver } from '../../support/tcp-proxy.js';
import type { Journal } from '../journal.js';
import { TOPIC } from '../scenario.js';
import type { DriverLine } from './journal-lines.js';
import { type WireMessage, WireReader } from './wire-reader.js';

const LOOK_UP = `$JS.API.STREAM.MSG.GET.${TOPIC}`;
/** Marks of events that the server takes in batches, and refuses if one before them is missing. */
const FAST_INGEST_REPLY = '.$FI';
const BATCH_HEADER = 'Nats-Batch-Id:';
/** Errors that pass by themselves (nats-server errors.json). Written down again, because the oracle is independent. */
const PASSING = [10008, 10023, 10158];

interface Link {
  readonly life: number;
  readonly fromClient: WireReader;
  readonly toClient: WireReader;
}

/**
 * Reads along in the proxies: which event left the publisher when, and which answers reached it. It hears an event
 * when the process has sent it, and an answer when the proxy hands it over, so a black hole counts as it should.
 */
export class WireTap implements WireObserver {
  /** The life of the process whose connections are opened now. */
  life = 0;
  readonly #links = new Map<number, Link>();
  readonly #events = new Map<string, { key: string; n: number }>();
  readonly #questions = new Map<string, string>();

  constructor(private readonly journal: Journal<DriverLine>) {}

  opened(link: number): void {
    const { life } = this;
    this.#links.set(link, {
      life,
      fromClient: new WireReader((message) => this.#left(life, link, message)),
      toClient: new WireReader((message) => this.#arrived(life, message)),
    });
  }

  fromClient(link: number, chunk: Buffer): void {
    this.#links.get(link)?.fromClient.feed(chunk);
  }

  toClient(link: number, chunk: Buffer): void {
    this.#links.get(link)?.toClient.feed(chunk);
  }

  #left(life: number, link: number, { subject, reply, headers, body }: WireMessage): void {
    if (subject.startsWith(`${TOPIC}.`)) {
      const { aggregate_id: key, payload } = JSON.parse(body) as {
        aggregate_id: string;
        payload: { n: number };
      };
      const { n } = payload;
      this.#events.set(reply, { key, n });
      const fastLane = reply.endsWith(FAST_INGEST_REPLY) || headers.includes(BATCH_HEADER);
      this.journal.write({ what: 'sent', life, link, key, n, fastLane });
    } else if (subject === LOOK_UP) {
      const about = JSON.parse(body) as { last_by_subj?: string; next_by_subj?: string };
      const asked = about.last_by_subj ?? about.next_by_subj ?? '';
      this.#questions.set(reply, asked.slice(asked.lastIndexOf('.') + 1));
    }
  }

  #arrived(life: number, { subject, headers, body }: WireMessage): void {
    const key = this.#questions.get(subject);
    if (key !== undefined) {
      // With headers only it is "no responders".
      if (body !== '') this.journal.write({ what: 'told', life, key });
      return;
    }
    const event = this.#events.get(subject);
    if (event === undefined) return;
    this.journal.write({
      what: 'answer',
      life,
      ...event,
      answer: headers === '' ? meaningOf(body) : 'unavailable',
    });
  }
}

function meaningOf(body: string): 'stored' | 'duplicate' | 'refused' | 'unavailable' {
  const { seq, duplicate, error } = JSON.parse(body) as {
    seq?: number;
    duplicate?: boolean;
    error?: { code: number; err_code: number };
  };
  if (error !== undefined)
    return error.code === 503 || PASSING.includes(error.err_code) ? 'unavailable' : 'refused';
  // A stream counts from 1; 2.10 answers a copy of what is not stored yet with 0.
  if (seq === undefined || seq === 0) return 'unavailable';
  return duplicate === true ? 'duplicate' : 'stored';
}
