import type { Msg } from 'nats';

/** An answer may be heard before its request; so many of them wait. */
const MAX_EARLY = 10_000;

/**
 * Pairs requests that pass by a listening connection with the server's answers to them. Requests and answers take
 * different ways, so an answer may be heard first. Of several requests with one reply subject the first answer belongs
 * to the first.
 */
export class HeardAnswers {
  readonly #open = new Map<string, ((answer: Msg) => void)[]>();
  readonly #early = new Map<string, Msg>();

  /** A request was heard; `answered` is called once, with its answer. A request without a reply subject gets none. */
  asked({ reply = '' }: Pick<Msg, 'reply'>, answered: (answer: Msg) => void): void {
    if (reply === '') return;
    const early = this.#early.get(reply);
    if (early !== undefined) {
      this.#early.delete(reply);
      answered(early);
      return;
    }
    const open = this.#open.get(reply);
    if (open === undefined) this.#open.set(reply, [answered]);
    else open.push(answered);
  }

  /** A message to an inbox was heard. "No responders" answers nothing: it has headers and no body. */
  answered(answer: Msg): void {
    if (answer.data.length === 0) return;
    const open = this.#open.get(answer.subject);
    if (open === undefined) {
      this.#keep(answer);
      return;
    }
    open.shift()?.(answer);
    if (open.length === 0) this.#open.delete(answer.subject);
  }

  /** The listening connection was away: requests heard before stay unanswered. */
  interrupted(): void {
    this.#open.clear();
    this.#early.clear();
  }

  #keep(answer: Msg): void {
    this.#early.set(answer.subject, answer);
    const [oldest = ''] = this.#early.keys();
    if (this.#early.size > MAX_EARLY) this.#early.delete(oldest);
  }
}
