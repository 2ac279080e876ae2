import { toStoredEvent } from '../../message/stored-event.js';
import { tokenOfSubject } from '../../message/subject.js';
import { type TopicRef, topicNameOf } from '../../message/topic.js';
import type { StoredEventOf } from '../../message/topic-types.js';
import type { ResolvedTopic } from '../../transport/resolve-options.js';
import type { TopicWire, TopicWires } from '../../transport/wires.js';
import { ManualClock } from './manual-clock.js';
import { MemoryTopic } from './memory-topic.js';

/** Turns without any move after which nothing moves until time passes. */
const QUIET_TURNS = 10;
const MAX_TURNS = 100_000;

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

  /** Every event that a topic's stream holds, in stream order. */
  events<T extends TopicRef>(topic: T): StoredEventOf<T>[] {
    const found = this.#topics.get(topicNameOf(topic, 'TestingStreams.events'));
    if (found === undefined) return [];
    const { name, codec } = found.topic;
    return found.stream.messages.map(
      (message) =>
        toStoredEvent(message, {
          topic: name,
          token: tokenOfSubject(message.subject),
          codec,
        }) as StoredEventOf<T>,
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

  #make(topic: ResolvedTopic): MemoryTopic {
    const made = new MemoryTopic({ topic, clock: this.clock, moved: () => this.#moves++ });
    this.#topics.set(topic.name, made);
    return made;
  }
}
