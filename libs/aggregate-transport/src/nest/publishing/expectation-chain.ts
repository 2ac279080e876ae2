import { following, type OutgoingEvent } from '../../message/outgoing/outgoing-event.js';
import { predecessorRejected } from '../../publisher/publish-errors.js';

/**
 * Ties the events of one list together that belong to one aggregate. If one of them says what it expects, each later
 * one without an expectation of its own expects that event. So another publisher's event between two of them is a
 * conflict, and after one that failed none is stored.
 */
export class ExpectationChain {
  readonly #last = new Map<string, OutgoingEvent>();
  readonly #broken = new Map<string, Error>();

  /**
   * The event in its place in the chain of its aggregate; unchanged if there is none.
   * @throws PREDECESSOR_REJECTED after an event of the chain that could not be sent
   */
  link(event: OutgoingEvent): OutgoingEvent {
    const { token } = event;
    const error = this.#broken.get(token);
    if (error !== undefined) throw predecessorRejected(error);
    const before = this.#last.get(token);
    const isFirst = event.expectedSequence !== undefined;
    if (before === undefined && !isFirst) return event;
    const linked = before === undefined || isFirst ? event : following(event, before);
    this.#last.set(token, linked);
    return linked;
  }

  /** An event of this aggregate could not be sent. `expects`: it would have begun a chain. */
  break(token: string, expects: boolean, error: Error): void {
    if (expects || this.#last.has(token)) this.#broken.set(token, error);
  }
}
