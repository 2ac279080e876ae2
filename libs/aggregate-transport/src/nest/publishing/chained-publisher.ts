import { isSabotaged } from '#sabotage';
import { AggregateTransportError, describeError } from '../../errors.js';
import type { PublishReceipt } from '../../message/event.js';
import { encodeHeaders, HEADER, messageIdOf } from '../../message/headers.js';
import type { CheckedEvent } from '../../message/outgoing/checked-event.js';
import type { OutgoingEvent } from '../../message/outgoing/outgoing-event.js';
import type { StreamState } from '../../message/reader-port.js';
import type { StoredMessage } from '../../message/stored-event.js';
import { aggregateIdOf, subjectOf } from '../../message/subject.js';
import type { SentEvent } from '../../tracing/send-spans.js';
import { aborted } from '../../publisher/publish-errors.js';
import type { TopicLinks } from '../../transport/open-topics.js';
import { ExpectationChain } from './expectation-chain.js';

/** How one event of a chain ended. */
export type ChainOutcome = PublishReceipt | AggregateTransportError;

/** What the stream holds of an aggregate above a sequence. */
export interface AggregateTail {
  /** The sequence of the aggregate's last event, 0 if the stream holds none. */
  readonly last: number;
  /** The sequences of the events above the given one, by event id. */
  readonly sequences: ReadonlyMap<string, number>;
}

/** How far a stream has come. A stream that was made again has another `created`. */
export type StreamProgress = Pick<StreamState, 'created' | 'lastSequence'>;

/**
 * Publishes events that were checked and encoded earlier, for a relay: each directly after the event before it. It
 * shares the topic's sequencer with every other publisher of this process.
 */
export class ChainedPublisher {
  /** @internal `publisher.chained` makes it. */
  constructor(
    /** The topic that it publishes to. */
    readonly topic: string,
    private readonly links: TopicLinks,
  ) {}

  /**
   * Publishes events of one aggregate. The first expects that the aggregate's last event has sequence `after`, each
   * other one expects the event before it. Resolves with one outcome per event, when all have theirs. When `signal`
   * aborts, events that were not sent end with ABORTED.
   *
   * @throws what opening the topic throws; nothing was sent then
   */
  async publish(
    events: readonly CheckedEvent[],
    after: number,
    signal: AbortSignal,
  ): Promise<readonly ChainOutcome[]> {
    const { sequencer, spans } = await this.links.open(this.topic);
    const chain = new ExpectationChain();
    const first = isSabotaged('chain-without-expectation') ? undefined : after;
    const calls = events.map((event, index) => {
      const span = spans?.beginKept(sentEventOf(event));
      const outgoing = this.#outgoing(event, index === 0 ? first : undefined, span?.headers);
      const stored = sequencer.publish(chain.link(outgoing), signal);
      return span === undefined ? stored : span.settle(stored);
    });
    const outcomes = await Promise.allSettled(calls);
    return outcomes.map((outcome) =>
      outcome.status === 'fulfilled' ? outcome.value : errorOf(outcome.reason),
    );
  }

  /**
   * Reads an aggregate's events above the sequence `after`, ids and sequences only. The answer is of one moment: a
   * publish that expects `last` is refused if an event was stored since.
   *
   * If `isOwn` holds for the id of the aggregate's last event, that event stands alone in the answer. What is sent as a
   * chain is stored up to it. Then one question to the server tells all, as where nothing is above `after`.
   *
   * @throws JETSTREAM_REQUEST_FAILED, ABORTED
   */
  async tailOf(
    token: string,
    after: number,
    signal: AbortSignal,
    isOwn: (eventId: string) => boolean = () => false,
  ): Promise<AggregateTail> {
    const { wire } = await this.links.open(this.topic);
    const subject = subjectOf(this.topic, token);
    const sequences = new Map<string, number>();
    const last = await wire.lastOf(subject);
    if (last === undefined || last.sequence <= after) return { last: last?.sequence ?? 0, sequences };
    const prefix = messageIdOf(token, '');
    const note = ({ sequence, headers }: StoredMessage): string | undefined => {
      const id = headers[HEADER.messageId];
      if (id?.startsWith(prefix) !== true) return undefined;
      const eventId = id.slice(prefix.length);
      sequences.set(eventId, sequence);
      return eventId;
    };
    const lastId = note(last);
    if (lastId !== undefined && isOwn(lastId)) return { last: last.sequence, sequences };
    for await (const message of wire.messagesOf(subject, after + 1)) {
      if (signal.aborted) throw aborted(signal.reason);
      // What is stored meanwhile does not count: who expects `last` will be refused.
      if (message.sequence >= last.sequence) break;
      note(message);
    }
    return { last: last.sequence, sequences };
  }

  /**
   * What the stream's leader says of it.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async progress(): Promise<StreamProgress> {
    const { wire } = await this.links.open(this.topic);
    return wire.progress();
  }

  /** Opens an aggregate whose last outcome is unknown; the caller vouches for the open event. */
  resume(token: string): void {
    this.links.opened(this.topic)?.sequencer.resume(token);
  }

  #outgoing(
    { token, eventId, body, headers }: CheckedEvent,
    after: number | undefined,
    trace: CheckedEvent['headers'],
  ): OutgoingEvent {
    const messageId = messageIdOf(token, eventId);
    return {
      ...{ token, messageId, body, subject: subjectOf(this.topic, token) },
      headers: encodeHeaders(messageId, after, trace === undefined ? headers : { ...headers, ...trace }),
      expectedSequence: after,
    };
  }
}

/** Its body is not read again: its type stays unsaid. */
function sentEventOf({ token, eventId, headers }: CheckedEvent): SentEvent {
  return { aggregateId: aggregateIdOf(token), eventId, headers };
}

function errorOf(reason: unknown): AggregateTransportError {
  if (reason instanceof AggregateTransportError) return reason;
  return new AggregateTransportError('OUTCOME_UNKNOWN', `the call failed: ${describeError(reason)}`, {
    cause: reason,
  });
}
