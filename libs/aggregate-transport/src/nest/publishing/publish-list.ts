import { AggregateTransportError, describeError } from '../../errors.js';
import type { AggregateEvent, PublishReceipt } from '../../message/event.js';
import type { OutgoingEvent } from '../../message/outgoing/outgoing-event.js';
import { tokenOf } from '../../message/subject.js';
import { predecessorRejected, refusedTogether } from '../../publisher/publish-errors.js';
import type { TopicLink } from '../../transport/open-topics.js';
import { ExpectationChain } from './expectation-chain.js';

/** What a refused event takes with it: the later events of its aggregate, or the whole list. */
export type RefusalReach = 'aggregate' | 'list';

/**
 * Publishes a list in its order. The whole list is checked and encoded before any of it is sent. So an event that is
 * refused leaves no hole: no later event of its aggregate in the list is sent.
 */
export function publishList(
  link: TopicLink,
  events: readonly AggregateEvent[],
  { signal, reach }: { readonly signal: AbortSignal | undefined; readonly reach: RefusalReach },
): Promise<PublishReceipt>[] {
  const chain = new ExpectationChain();
  return checked(link, events, reach).map((event) =>
    event instanceof Error ? Promise.reject(event) : link.sequencer.publish(chain.link(event), signal),
  );
}

/**
 * Checks one event and encodes it.
 * @throws as `prepareEvent`; EVENT_INVALID too if a getter or a proxy of the caller throws
 */
export function prepareOn(link: TopicLink, event: AggregateEvent): OutgoingEvent {
  try {
    return link.prepare(event);
  } catch (thrown) {
    throw thrown instanceof AggregateTransportError ? thrown : unreadable(thrown);
  }
}

type Checked = OutgoingEvent | AggregateTransportError;

function checked(link: TopicLink, events: readonly AggregateEvent[], reach: RefusalReach): Checked[] {
  const refusals = new Map<string, AggregateTransportError>();
  let first: AggregateTransportError | undefined;
  const all = events.map((event): Checked => {
    try {
      const outgoing = prepareOn(link, event);
      const refusal = refusals.get(outgoing.token);
      return refusal === undefined ? outgoing : predecessorRejected(refusal);
    } catch (thrown) {
      const refusal = thrown as AggregateTransportError;
      first ??= refusal;
      const token = tokenIn(event);
      if (token !== undefined && !refusals.has(token)) refusals.set(token, refusal);
      return refusal;
    }
  });
  if (first === undefined || reach === 'aggregate') return all;
  const cause = first;
  return all.map((event) => (event instanceof Error ? event : refusedTogether(cause)));
}

/** The aggregate of a refused event; undefined if it says none. */
function tokenIn(event: AggregateEvent): string | undefined {
  try {
    return tokenOf(event.aggregateId);
  } catch {
    return undefined;
  }
}

/** A getter or a proxy of the caller has thrown. */
function unreadable(cause: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'EVENT_INVALID',
    `expected an event whose fields can be read, found that reading one throws (${describeError(cause)}); nothing was sent`,
    { cause },
  );
}
