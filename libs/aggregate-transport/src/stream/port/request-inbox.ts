import type { Clock, Timer } from '../../clock.js';
import { type Denial, NatsFailure } from './nats-failure.js';
import type { NatsMessage } from './nats-message.js';
import type { NatsPort, NatsSubscription, RequestOptions } from './nats-port.js';

/** The way of requests and their answers. */
export type RequestWay = Pick<NatsPort, 'publish' | 'subscribe' | 'createInbox'>;

interface Waiting {
  readonly subject: string;
  readonly timer: Timer;
  readonly resolve: (message: NatsMessage) => void;
  readonly reject: (failure: NatsFailure) => void;
}

const DEFAULT_TIMEOUT_MS = 1_000;
const TOKEN_RADIX = 36;
/** The status of a request that nothing hears. */
const NO_RESPONDERS = 503;

/**
 * Requests over one subscription for all of them. The clients' own way makes an error with a stack trace and several
 * promises for each request. It drops the error when the answer comes. That was an eighth of what a replay of letters
 * cost.
 *
 * The subscription is made with the first request. If the server refuses it, all requests that wait fail, and the next
 * one makes it again: permissions may have changed.
 */
export class RequestInbox {
  readonly #waiting = new Map<string, Waiting>();
  #subscription: NatsSubscription | undefined;
  #inbox = '';
  #made = 0;

  constructor(
    private readonly way: RequestWay,
    private readonly clock: Clock,
  ) {}

  /** @throws NatsFailure */
  request(
    subject: string,
    body: string | Uint8Array = '',
    { timeoutMs = DEFAULT_TIMEOUT_MS, headers }: RequestOptions = {},
  ): Promise<NatsMessage> {
    return new Promise((resolve, reject) => {
      this.#subscribe();
      const token = (this.#made++).toString(TOKEN_RADIX);
      const timer = this.clock.after(timeoutMs, () => {
        this.#take(token)?.reject(new NatsFailure('TIMEOUT', `no answer within ${timeoutMs} ms`));
      });
      this.#waiting.set(token, { subject, timer, resolve, reject });
      try {
        this.way.publish(subject, body, { reply: this.#inbox + token, headers });
      } catch (failure) {
        this.#take(token);
        throw failure;
      }
    });
  }

  /** The server refuses messages to this subject: no answer will come. */
  denied(denial: Denial): void {
    if (denial.operation !== 'publish') return;
    const failure = (): NatsFailure =>
      new NatsFailure('PERMISSIONS_VIOLATION', `the user may not publish to "${denial.subject}"`, { denial });
    for (const [token, waiting] of [...this.#waiting]) {
      if (waiting.subject === denial.subject) this.#take(token)?.reject(failure());
    }
  }

  /** Ends all requests that wait. Safe to call twice. */
  close(why: string, cause?: unknown): void {
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    this.#failAll(new NatsFailure('CONNECTION_CLOSED', why, { cause }));
  }

  #subscribe(): void {
    if (this.#subscription !== undefined) return;
    const inbox = `${this.way.createInbox()}.`;
    this.#inbox = inbox;
    this.#subscription = this.way.subscribe(`${inbox}*`, {
      callback: (failure, message) => {
        if (failure === null) this.#answered(message.subject.slice(inbox.length), message);
        else {
          this.#subscription = undefined;
          this.#failAll(failure);
        }
      },
    });
  }

  #answered(token: string, message: NatsMessage): void {
    const waiting = this.#take(token);
    if (waiting === undefined) return;
    if (message.headers?.code === NO_RESPONDERS && message.data.length === 0) {
      waiting.reject(new NatsFailure('NO_RESPONDERS', `nothing hears ${waiting.subject}`));
    } else waiting.resolve(message);
  }

  #failAll(failure: NatsFailure): void {
    for (const token of [...this.#waiting.keys()]) this.#take(token)?.reject(failure);
  }

  #take(token: string): Waiting | undefined {
    const waiting = this.#waiting.get(token);
    this.#waiting.delete(token);
    waiting?.timer.cancel();
    return waiting;
  }
}
