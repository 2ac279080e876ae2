import { AggregateTransportError } from '../../errors.js';
import type { AggregateEvent, PublishReceipt } from '../../message/event.js';
import { type CheckedEvent, checkedEvent } from '../../message/outgoing/checked-event.js';
import { tokenOf } from '../../message/subject.js';
import type { Verdict } from '../../publisher/checks/payload-checks.js';
import { predecessorRejected, refusedTogether } from '../../publisher/publish-errors.js';
import type { TopicLink } from '../../transport/open-topics.js';
import { ExpectationChain } from './expectation-chain.js';
import { type Prepared, preparedOn, takeTurn } from './prepared-call.js';

/** What a refused event takes with it: the later events of its aggregate, or the whole list. */
export type RefusalReach = 'aggregate' | 'list';

/** Publishes one event, within its span. Never throws. Rejects as `AggregatePublisher.publish`. */
export function publishOne(
  link: TopicLink,
  event: AggregateEvent,
  signal: AbortSignal | undefined,
): Promise<PublishReceipt> {
  const { spans } = link;
  if (spans === undefined) return sendOne(link, preparedOn(link, event), { event, signal });
  const span = spans.begin(event);
  return span.settle(sendOne(link, preparedOn(link, event, span.headers), { event, signal }));
}

function sendOne(
  link: TopicLink,
  outgoing: Prepared,
  { event, signal }: { readonly event: AggregateEvent; readonly signal: AbortSignal | undefined },
): Promise<PublishReceipt> {
  if (outgoing instanceof Error) return Promise.reject(outgoing);
  if (link.checks === undefined) return link.sequencer.publish(outgoing, signal);
  const call = { events: [event], prepared: [outgoing], signal, reach: 'aggregate' as const };
  const turn = takeTurn(link.checks, call, ([verdict]) =>
    verdict === undefined ? link.sequencer.publish(outgoing, signal) : Promise.reject(verdict),
  );
  if ('now' in turn) return turn.now;
  turn.later.catch(() => link.sequencer.noteTurnedAway(1));
  return turn.later.then(({ value }) => value);
}

/**
 * Publishes a list in its order, each event within a span of its own. The whole list is checked and encoded before any
 * of it is sent. So an event that is refused leaves no hole: no later event of its aggregate in the list is sent.
 */
export function publishList(
  link: TopicLink,
  events: readonly AggregateEvent[],
  options: ListOptions,
): Promise<PublishReceipt>[] {
  const { spans } = link;
  if (spans === undefined) {
    const prepared = events.map((event) => preparedOn(link, event));
    return sendList(link, { events, prepared }, options);
  }
  const begun = events.map((event) => spans.begin(event));
  const prepared = events.map((event, index) => preparedOn(link, event, begun[index]?.headers));
  const stored = sendList(link, { events, prepared }, options);
  return stored.map((one, index) => begun[index]?.settle(one) ?? one);
}

interface ListOptions {
  readonly signal: AbortSignal | undefined;
  readonly reach: RefusalReach;
}

function sendList(
  link: TopicLink,
  {
    events,
    prepared,
  }: { readonly events: readonly AggregateEvent[]; readonly prepared: readonly Prepared[] },
  { signal, reach }: ListOptions,
): Promise<PublishReceipt>[] {
  const send = (verdicts: readonly Verdict[]): Promise<PublishReceipt>[] => {
    const chain = new ExpectationChain();
    return withRefusals(events, { prepared, verdicts, reach }).map((event) =>
      event instanceof Error ? Promise.reject(event) : link.sequencer.publish(chain.link(event), signal),
    );
  };
  if (link.checks === undefined) return send([]);
  const turn = takeTurn(link.checks, { events, prepared, signal, reach }, send);
  if ('now' in turn) return turn.now;
  const { later, call } = turn;
  later.catch(() => link.sequencer.noteTurnedAway(events.length));
  return prepared.map((one, index) => {
    const sent = later.then(({ value }) => value[index] ?? noOutcome());
    return one instanceof Error ? sent : Promise.race([call.failed(one.token), sent]);
  });
}

/**
 * Checks and encodes a list as {@link publishList} does, and sends nothing. The caller's trace is kept in the headers,
 * so that what sends the event later continues it. Lists of one aggregate resolve in call
 * order.
 * @throws the error of the first event that is refused
 */
export async function checkList(
  link: TopicLink,
  events: readonly AggregateEvent[],
): Promise<readonly CheckedEvent[]> {
  const { spans } = link;
  const prepared = events.map((event) => preparedOn(link, event, spans?.keep(event)));
  const check = (verdicts: readonly Verdict[]): CheckedEvent[] | Error => {
    const refusal = prepared.map((one, index) => refusalIn(one, verdicts[index])).find((one) => one);
    if (refusal !== undefined) return refusal;
    return prepared.flatMap((one, index) =>
      one instanceof Error
        ? []
        : [checkedEvent(one, events[index]?.headers, link.topic.codec, spans !== undefined)],
    );
  };
  let checked: CheckedEvent[] | Error;
  if (link.checks === undefined) checked = check([]);
  else {
    const turn = takeTurn(link.checks, { events, prepared, signal: undefined, reach: 'none' }, check);
    checked = 'now' in turn ? turn.now : (await turn.later).value;
  }
  if (checked instanceof Error) throw checked;
  return checked;
}

function refusalIn(one: Prepared, verdict: Verdict): AggregateTransportError | undefined {
  return one instanceof Error ? one : verdict;
}

interface CheckedList {
  readonly prepared: readonly Prepared[];
  /** By event; none if payloads are not checked. */
  readonly verdicts: readonly Verdict[];
  readonly reach: RefusalReach;
}

/** What is sent of a list, and the errors of the rest. */
function withRefusals(
  events: readonly AggregateEvent[],
  { prepared, verdicts, reach }: CheckedList,
): Prepared[] {
  const refusals = new Map<string, AggregateTransportError>();
  let first: AggregateTransportError | undefined;
  const all = prepared.map((one, index): Prepared => {
    const own = refusalIn(one, verdicts[index]);
    if (own !== undefined) {
      first ??= own;
      const token = tokenIn(events[index]);
      if (token !== undefined && !refusals.has(token)) refusals.set(token, own);
      return own;
    }
    const refusal = one instanceof Error ? undefined : refusals.get(one.token);
    return refusal === undefined ? one : predecessorRejected(refusal);
  });
  if (first === undefined || reach === 'aggregate') return all;
  const cause = first;
  return all.map((event) => (event instanceof Error ? event : refusedTogether(cause)));
}

/** The aggregate of a refused event; undefined if it says none. */
function tokenIn(event: AggregateEvent | undefined): string | undefined {
  try {
    return event && tokenOf(event.aggregateId);
  } catch {
    return undefined;
  }
}

function noOutcome(): Promise<never> {
  return Promise.reject(new AggregateTransportError('OUTCOME_UNKNOWN', 'expected an outcome for each event'));
}
