import type { Finding } from './health-problem.js';

/** A problem that one part of the transport notices by itself, from time to time. */
export type Notice = Omit<Finding, 'forMs'>;

/**
 * Where parts of the transport that look from time to time say what they found, for health to show. A part says all it
 * knows at each look, so nothing has to be taken back.
 */
export class NoticeBoard {
  readonly #bySource = new Map<string, readonly Notice[]>();

  /** From now on these are all problems that `source` knows of; an empty list means that it knows of none. */
  post(source: string, notices: readonly Notice[]): void {
    if (notices.length === 0) this.#bySource.delete(source);
    else this.#bySource.set(source, notices);
  }

  get notices(): readonly Notice[] {
    return [...this.#bySource.values()].flat();
  }
}
