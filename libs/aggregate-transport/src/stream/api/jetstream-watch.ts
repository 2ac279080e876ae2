import { type Clock, every, type Timer } from '../../clock.js';
import { describeError } from '../../errors.js';
import type { Connection } from '../connection/connection.js';
import { isDenied, type JetStreamApi } from './jetstream-api.js';

/** JetStream answers nothing, although the connection is up. */
export interface JetStreamAway {
  /** Since its last answer, in milliseconds. */
  readonly forMs: number;
  readonly why: string;
}

const LOOK_EVERY_MS = 500;
/** A question is sent only after so long without an answer to any other: a process that owns partitions sends none. */
const QUIET_MS = 2_000;
const ANSWERS_WITHIN_MS = 1_000;
/** Elections take less. */
const AWAY_AFTER_MS = 4_000;

/**
 * Notices that JetStream is away while its connection stays: switched off for the account, stopped by a full disk,
 * without a quorum. Counts the answers that all parts of the connection get, and asks for a stream when there are none.
 * Ends with the connection.
 */
export class JetStreamWatch {
  readonly #timer: Timer;
  #answers = 0;
  #answeredAt: number;
  #why: string | undefined;
  #isAsking = false;

  constructor(
    private readonly connection: Pick<Connection, 'connected' | 'answers' | 'noteAnswer' | 'nats'>,
    private readonly api: Pick<JetStreamApi, 'request'>,
    private readonly stream: string,
    private readonly clock: Clock,
  ) {
    this.#answeredAt = clock.now();
    this.#timer = every(clock, LOOK_EVERY_MS, () => this.#look());
  }

  /** Undefined while JetStream answers, or while there is no connection. */
  get away(): JetStreamAway | undefined {
    if (this.#why === undefined || !this.connection.connected) return undefined;
    const forMs = this.clock.now() - this.#answeredAt;
    return forMs < AWAY_AFTER_MS ? undefined : { forMs, why: this.#why };
  }

  #look(): void {
    const { connection, clock } = this;
    if (connection.nats.isClosed()) {
      this.#timer.cancel();
      return;
    }
    // Nothing can be said of JetStream before the connection is back.
    if (!connection.connected || connection.answers !== this.#answers) {
      this.#answers = connection.answers;
      this.#answeredAt = clock.now();
      this.#why = undefined;
      return;
    }
    if (clock.now() - this.#answeredAt >= QUIET_MS && !this.#isAsking) void this.#ask();
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    try {
      await this.api.request(`STREAM.INFO.${this.stream}`, undefined, ANSWERS_WITHIN_MS);
    } catch (error) {
      // The want of a permission says nothing of JetStream.
      if (isDenied(error)) this.connection.noteAnswer();
      else this.#why = describeError(error);
    } finally {
      this.#isAsking = false;
    }
  }
}
