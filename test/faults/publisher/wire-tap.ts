import type { WireObserver } from '../../support/tcp-proxy.js';
import type { Journal } from '../harness/journal.js';
import { TOPIC } from '../consumer/scenario.js';
import type { DriverLine } from './journal-lines.js';
import { type WireMessage, WireReader } from './wire-reader.js';

const LOOK_UP = `$JS.API.STREAM.MSG.GET.${TOPIC}`;
/** Errors that pass by themselves (nats-server errors.json). Written down again, because the oracle is independent. */
const PASSING = [10008, 10158];
/** Errors that say of this one copy that it is not stored: no room, no JetStream. */
const NOT_STORED = [10002, 10023, 10039, 10076];
const STORE_FAILED = 10077;

const BATCH_ID = /Nats-Batch-Id: (.*)\r\n/;

/** Its first event leaves; the server's "opened" is handed over; its last event leaves; its answer is handed over. */
export type BatchStep = 'opening' | 'opened' | 'complete' | 'answered';

interface Link {
  readonly life: number;
  readonly fromClient: WireReader;
  readonly toClient: WireReader;
}

/**
 * Reads along in the proxies: which event left the publisher when, and which answers reached it. It hears an event
 * when the process has sent it, and an answer when the proxy hands it over. So a black hole counts as it should.
 */
export class WireTap implements WireObserver {
  /** The life of the process whose connections are opened now. */
  life = 0;
  readonly #links = new Map<number, Link>();
  readonly #events = new Map<string, { key: string; n: number; batch?: string }>();
  #awaited: { readonly step: BatchStep; readonly reached: (isReached: boolean) => void } | undefined;
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

  /** Resolves when a batch comes to this step, as the proxy passes it on; whether one did in time. */
  batchAt(step: BatchStep, withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const reached = (isReached: boolean): void => {
        clearTimeout(late);
        this.#awaited = undefined;
        resolve(isReached);
      };
      const late = setTimeout(() => reached(false), withinMs);
      this.#awaited?.reached(false);
      this.#awaited = { step, reached };
    });
  }

  #reached(step: BatchStep): void {
    if (this.#awaited?.step === step) this.#awaited.reached(true);
  }

  #left(life: number, link: number, { subject, reply, headers, body }: WireMessage): void {
    if (subject.startsWith(`${TOPIC}.`)) {
      const { aggregate_id: key, payload } = JSON.parse(body) as {
        aggregate_id: string;
        payload: { n: number };
      };
      const { n } = payload;
      const id = BATCH_ID.exec(headers)?.[1];
      const batch = id === undefined ? undefined : placeIn(id, headers);
      if (reply !== '') this.#events.set(reply, { key, n, ...(id === undefined ? {} : { batch: id }) });
      this.journal.write({ what: 'sent', life, link, key, n, ...(batch === undefined ? {} : { batch }) });
      if (batch?.isFirst === true) this.#reached('opening');
      if (batch?.isLast === true) this.#reached('complete');
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
    const answer = headers !== '' ? 'not-stored' : body === '' ? 'opened' : meaningOf(body);
    this.journal.write({ what: 'answer', life, ...event, answer });
    if (event.batch !== undefined) this.#reached(answer === 'opened' ? 'opened' : 'answered');
  }
}

function placeIn(id: string, headers: string): { id: string; isFirst: boolean; isLast: boolean } {
  return {
    id,
    isFirst: headers.includes('Nats-Batch-Sequence: 1\r\n'),
    isLast: headers.includes('Nats-Batch-Commit:'),
  };
}

function meaningOf(body: string): 'stored' | 'duplicate' | 'refused' | 'not-stored' | 'unavailable' {
  const { seq, duplicate, error } = JSON.parse(body) as {
    seq?: number;
    duplicate?: boolean;
    error?: { code: number; err_code: number; description: string };
  };
  if (error?.err_code === STORE_FAILED && error.description.startsWith('maximum ')) return 'not-stored';
  if (error !== undefined && NOT_STORED.includes(error.err_code)) return 'not-stored';
  if (error !== undefined)
    return error.code === 503 || PASSING.includes(error.err_code) ? 'unavailable' : 'refused';
  // A stream counts from 1; 2.10 answers a copy of what is not stored yet with 0.
  if (seq === undefined || seq === 0) return 'unavailable';
  return duplicate === true ? 'duplicate' : 'stored';
}
