import { following, type OutgoingEvent } from '../../message/outgoing/outgoing-event.js';

/**
 * Ties the events of one list together that belong to one aggregate. If one of them says what it expects, each later
 * one without an expectation of its own expects that event. So another publisher's event between two of them is a
 * conflict, and after one that failed none is stored.
 */
export class ExpectationChain {
  readonly #last = new Map<string, OutgoingEvent>();

  /** The event in its place in the chain of its aggregate; unchanged if there is none. */
  link(event: OutgoingEvent): OutgoingEvent {
    const { token } = event;
    const before = this.#last.get(token);
    const isFirst = event.expectedSequence !== undefined;
    if (before === undefined && !isFirst) return event;
    const linked = before === undefined || isFirst ? event : following(event, before);
    this.#last.set(token, linked);
    return linked;
  }
}
