import { systemClock } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import { toStoredEvent } from '../../message/stored-event.js';
import { tokenOfSubject } from '../../message/subject.js';
import { type InputsOf, type TopicRef, topicNameOf } from '../../message/topic.js';
import type { StoredEventIn } from '../../message/topic-types.js';
import type { ResolvedTopic } from '../../transport/resolve-options.js';
import type { TopicWire, TopicWires } from '../../transport/wires.js';
import { type Wait, waitFor } from '../wait-for.js';
import { ManualClock } from './manual-clock.js';
import { MemoryTopic } from './memory-topic.js';

/** Turns without any move after which nothing moves until time passes. */
const QUIET_TURNS = 10;
const MAX_TURNS = 100_000;

/** How long a test waits, and for what. */
export interface UntilOptions {
  /** How long to wait at most, in milliseconds of real time; default 5 000. */
  readonly withinMs?: number;
  /** What is awaited, for the error: `the invoice to be paid`. */
  readonly what?: string;
}

/** How long, and for which group, a test waits. */
export interface UntilHandledOptions {
  /** How long to wait at most, in milliseconds of real time; default 5 000. */
  readonly withinMs?: number;
  /** Default: all groups that have started on the topic. */
  readonly group?: string;
}

/**
 * The streams behind an `AggregateTransportTestingModule`, and the clock of everything in it. Two modules may share one
 * instance, as two services share a nats-server.
 */
export class TestingStreams implements TopicWires {
  /** Stands still until {@link advance} moves it. */
  readonly clock = new ManualClock();
  readonly #topics = new Map<string, MemoryTopic>();
  /** Requests, answers and events that have arrived, so that {@link settle} knows when no more do. */
  #moves = 0;

  /**
   * Every event that a topic's stream holds, in stream order, as it was published: no upcaster or schema has seen it.
   */
  events<T extends TopicRef>(topic: T): StoredEventIn<InputsOf<T>>[] {
    const found = this.#topics.get(topicNameOf(topic, 'TestingStreams.events'));
    if (found === undefined) return [];
    const { name, codec } = found.topic;
    return found.stream.messages.map(
      (message) =>
        toStoredEvent(message, {
          topic: name,
          token: tokenOfSubject(message.subject),
          codec,
        }) as StoredEventIn<InputsOf<T>>,
    );
  }

  /**
   * Resolves when nothing moves any more at this moment of the clock: events are stored, delivered, handled and
   * committed, or wait for time to pass. It does not wait for a handler that waits for something real, such as a socket
   * or a timer of Node.
   */
  async settle(): Promise<void> {
    let quiet = 0;
    for (let turn = 0; quiet < QUIET_TURNS && turn < MAX_TURNS; turn++) {
      const before = this.#moves;
      await this.clock.advance(0);
      quiet = this.#moves === before ? quiet + 1 : 0;
    }
  }

  /** Moves the clock, runs everything that is due on the way, such as retries, and settles. */
  async advance(ms: number): Promise<void> {
    await this.settle();
    await this.clock.advance(ms);
    await this.settle();
  }

  /**
   * Waits until `condition` gives something: not false, null or undefined. For effects that need something real, such
   * as a database or a timer of Node. The streams settle before each look. Their clock stands still, so `advance` it
   * for a retry. Resolves with what the condition gave.
   *
   * @throws TEST_TIMED_OUT when the time is over; an error of the condition itself ends the wait
   */
  async until<T>(condition: () => T | Promise<T>, options: UntilOptions = {}): Promise<NonNullable<T>> {
    return this.#wait({
      look: condition,
      withinMs: options.withinMs,
      expected: options.what ?? 'the condition of until() to hold',
      found: () => 'that it does not',
    });
  }

  /**
   * Waits until a group has settled every event that the topic holds at this moment. Each is then handled, parked, or
   * of a type without a handler. The clock stands still, so `advance` it for a retry.
   *
   * @throws TEST_TIMED_OUT when the time is over, with the oldest event that is not settled
   * @throws GROUP_UNKNOWN if no such group has started on the topic
   */
  async untilHandled(topic: TopicRef, options: UntilHandledOptions = {}): Promise<void> {
    const name = topicNameOf(topic, 'TestingStreams.untilHandled');
    const memory = this.#topics.get(name);
    const last = memory?.stream.lastSequence ?? 0;
    const groups = memory?.startedGroups(options.group) ?? [];
    if (groups.length === 0) {
      const which = options.group === undefined ? 'a group' : `group "${options.group}"`;
      throw new AggregateTransportError(
        'GROUP_UNKNOWN',
        `expected ${which} to have started on topic "${name}", found none; connect the server of its handlers first: ` +
          'app.connectMicroservice({ strategy: app.get(AggregateServer) }) and app.startAllMicroservices()',
      );
    }
    const open = (): string | undefined => groups.map((group) => group.describeOpen(last)).find(Boolean);
    await this.#wait({
      look: () => open() === undefined,
      withinMs: options.withinMs,
      expected: `all events of topic "${name}" up to sequence ${last} to be settled`,
      found: () => open() ?? 'that they are now',
    });
  }

  /** @internal The server's side of a topic, with its faults; undefined before the topic is opened. */
  memoryOf(topic: TopicRef): MemoryTopic | undefined {
    return this.#topics.get(topicNameOf(topic, 'TestingStreams'));
  }

  /** @internal */
  open(topic: ResolvedTopic): Promise<TopicWire> {
    const known = this.#topics.get(topic.name) ?? this.#make(topic);
    return Promise.resolve(known.connect(topic));
  }

  /** @internal The streams outlive the application, as a server would. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  #wait<T>(wait: Omit<Wait<T>, 'settle' | 'clock'>): Promise<NonNullable<T>> {
    return waitFor({ ...wait, settle: () => this.settle(), clock: systemClock });
  }

  #make(topic: ResolvedTopic): MemoryTopic {
    const made = new MemoryTopic({ topic, clock: this.clock, moved: () => this.#moves++ });
    this.#topics.set(topic.name, made);
    return made;
  }
}
