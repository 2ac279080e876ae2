import { AggregateTransportError, describeError } from '../../errors.js';
import { muteRejection } from '../../foreign.js';
import type { AggregateEvent } from '../../message/event.js';
import type { OutgoingEvent } from '../../message/outgoing/outgoing-event.js';
import type { PayloadChecks, Verdict } from '../../publisher/checks/payload-checks.js';
import { type CallReach, WaitingCall } from '../../publisher/checks/waiting-call.js';
import type { TopicLink } from '../../transport/open-topics.js';

/** An event that is encoded, or why it cannot be. */
export type Prepared = OutgoingEvent | AggregateTransportError;

/** The events of one call, each with its encoded form. */
export interface PreparedCall {
  readonly events: readonly AggregateEvent[];
  readonly prepared: readonly Prepared[];
  readonly signal: AbortSignal | undefined;
  readonly reach: CallReach;
}

/** What a call does goes at once, or when schemas have answered and earlier calls of its aggregates have gone. */
export type Turn<R> =
  { readonly now: R } | { readonly later: Promise<{ readonly value: R }>; readonly call: WaitingCall };

/**
 * Checks one event and encodes it. The error is that of `prepareEvent`; EVENT_INVALID too if a getter or a proxy of the
 * caller throws.
 */
export function preparedOn(
  link: TopicLink,
  event: AggregateEvent,
  trace?: Readonly<Record<string, string>>,
): Prepared {
  try {
    return link.prepare(event, trace);
  } catch (thrown) {
    return errorOf(thrown);
  }
}

/**
 * Checks the payloads of a call, then calls `go` with a verdict for each event. That happens at once if every schema
 * answers at once and no earlier call of these aggregates waits. Calls of an aggregate go in call order. `later`
 * rejects as {@link CallTurns.wait}, `call.failed` before that when an earlier event of an aggregate fails.
 */
export function takeTurn<R>(
  checks: PayloadChecks,
  { events, prepared, signal, reach }: PreparedCall,
  go: (verdicts: readonly Verdict[]) => R,
): Turn<R> {
  const verdicts = events.map((event, index) =>
    prepared[index] instanceof Error ? undefined : verdictOn(checks, event),
  );
  const tokens = new Set(prepared.flatMap((one) => (one instanceof Error ? [] : [one.token])));
  const { turns } = checks;
  if (areKnown(verdicts) && turns.isFree(tokens)) return { now: go(verdicts) };
  const call = new WaitingCall({ tokens, events: events.length, signal, reach });
  const failureOf = (one: Prepared | undefined): Verdict =>
    one === undefined || one instanceof Error ? undefined : call.failureOf(one.token);
  const ready = Promise.all(verdicts.map((one) => Promise.resolve(one)));
  const later = turns.wait(call, ready, (own) =>
    go(own.map((one, index) => one ?? failureOf(prepared[index]))),
  );
  muteRejection(later);
  return { later, call };
}

function verdictOn(checks: PayloadChecks, event: AggregateEvent): Verdict | Promise<Verdict> {
  try {
    return checks.verdictOn(event);
  } catch (thrown) {
    return errorOf(thrown);
  }
}

function areKnown(verdicts: readonly (Verdict | Promise<Verdict>)[]): verdicts is readonly Verdict[] {
  return !verdicts.some((verdict) => verdict instanceof Promise);
}

function errorOf(thrown: unknown): AggregateTransportError {
  return thrown instanceof AggregateTransportError ? thrown : unreadable(thrown);
}

/** A getter or a proxy of the caller has thrown. */
function unreadable(cause: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'EVENT_INVALID',
    `expected an event whose fields can be read, found that reading one throws (${describeError(cause)}); nothing was sent`,
    { cause },
  );
}
