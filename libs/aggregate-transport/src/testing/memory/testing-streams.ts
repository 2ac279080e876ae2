import type { LeaseRecord } from '../../records/lease-record.js';
import type { SuspectRecord } from '../../consumer/handling/suspects.js';
import { partitionBits } from '../../message/partitioning.js';
import type { StoredValue } from '../../records/key-port.js';
import type {
  GroupOnServer,
  GroupQuestion,
  LeaseOnServer,
  PartitionOnServer,
} from '../../records/group-on-server.js';
import { toStoredEvent } from '../../message/stored-event.js';
import { tokenOfSubject } from '../../message/subject.js';
import { type TopicRef, topicNameOf } from '../../message/topic.js';
import type { StoredEventOf } from '../../message/topic-types.js';
import type { ResolvedTopic } from '../../transport/resolve-options.js';
import type { GroupWire, PartitionWire, TopicWire, TopicWires } from '../../transport/wires.js';
import { ManualClock } from './manual-clock.js';
import { MemoryConsumer } from './memory-reader.js';
import { MemoryKey } from './memory-key.js';
import { MemoryParked } from './memory-parked.js';
import { MemoryPresence } from './memory-presence.js';
import { MemoryStream } from './memory-stream.js';

const MAX_PAYLOAD_BYTES = 1_048_576;
/** Turns without any change after which nothing will change by itself. */
const QUIET_TURNS = 10;
const MAX_TURNS = 100_000;

interface MemoryTopic {
  readonly topic: ResolvedTopic;
  readonly stream: MemoryStream;
  readonly parked: MemoryParked;
}

interface MemoryGroup {
  /** Its layout never changes. */
  readonly wire: GroupWire;
  readonly look: () => Promise<PartitionOnServer[]>;
}

/**
 * The streams behind an `AggregateTransportTestingModule`, and the clock that everything in it goes by. Two modules
 * may share one, as two services share a nats-server.
 */
export class TestingStreams implements TopicWires {
  /** Stands still until {@link advance} moves it. */
  readonly clock = new ManualClock();
  readonly #topics = new Map<string, MemoryTopic>();
  readonly #groups = new Map<string, MemoryGroup>();
  readonly #presences = new Map<string, MemoryPresence>();
  /** Whatever moved, so that {@link settle} knows when nothing does. */
  #moves = 0;

  /** Every event of a topic, in stream order. */
  events<T extends TopicRef>(topic: T): StoredEventOf<T>[] {
    const name = topicNameOf(topic);
    const found = this.#topics.get(name);
    if (found === undefined) return [];
    const { codec } = found.topic;
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
   * acked, or wait for time to pass. A handler that waits for something real (a socket, a timer of Node) is not
   * waited for.
   */
  async settle(): Promise<void> {
    let quiet = 0;
    for (let turn = 0; quiet < QUIET_TURNS && turn < MAX_TURNS; turn++) {
      const before = this.#moves;
      await this.clock.advance(0);
      quiet = this.#moves === before ? quiet + 1 : 0;
    }
  }

  /** Moves time on, with everything that is due on the way, such as retries, and settles. */
  async advance(ms: number): Promise<void> {
    await this.settle();
    await this.clock.advance(ms);
    await this.settle();
  }

  /** @internal */
  open(topic: ResolvedTopic): Promise<TopicWire> {
    const known = this.#topicOf(topic);
    const { stream, parked } = known;
    return Promise.resolve({
      nats: undefined,
      connected: true,
      closed: false,
      listen: () => undefined,
      maxPayloadBytes: MAX_PAYLOAD_BYTES,
      duplicateWindowMs: topic.stream.duplicateWindowMs,
      batchObstacle: 'streams in memory know no batches',
      connectPublisher: (listener) => stream.connectPublisher(listener),
      messagesOf: (subject, fromSequence) => stream.messagesOf(subject, fromSequence),
      openGroup: (group) => Promise.resolve(this.#groupOf(topic, known, group).wire),
      presencePort: (group) => this.#presenceOf(`${topic.name} ${group}`).connect(),
      lookAt: (question) => this.#lookAt(topic.name, question),
      parkedArchive: (group) => parked.connect(group, ''),
    });
  }

  /** @internal The streams outlive the application, as a server would. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  #moved(): void {
    this.#moves++;
  }

  #topicOf(topic: ResolvedTopic): MemoryTopic {
    const known = this.#topics.get(topic.name);
    if (known !== undefined) return known;
    const stream = new MemoryStream(this.clock, topic.stream.duplicateWindowMs);
    stream.watch(() => this.#moved());
    const parked = new MemoryParked({
      stream,
      maxLetters: topic.parked.maxLetters,
      clock: this.clock,
      moved: () => this.#moved(),
    });
    const made = { topic, stream, parked };
    this.#topics.set(topic.name, made);
    return made;
  }

  #presenceOf(key: string): MemoryPresence {
    const presence = this.#presences.get(key) ?? new MemoryPresence();
    this.#presences.set(key, presence);
    return presence;
  }

  #groupOf({ name, consume }: ResolvedTopic, { stream, parked }: MemoryTopic, group: string): MemoryGroup {
    const key = `${name} ${group}`;
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const { partitions } = consume;
    const opened = Array.from({ length: partitions }, (_, partition) => {
      const options = {
        prefix: prefixOf(name, partitionBits(partition, partitions)),
        startSequence: firstSequence(consume.startAt, stream),
        maxAckPending: consume.maxAckPending,
        moved: () => this.#moved(),
      };
      const consumer = new MemoryConsumer(stream, this.clock, options);
      const [lease, suspects] = [new MemoryKey<LeaseRecord>(), new MemoryKey<SuspectRecord>()];
      const wire: PartitionWire = {
        address: { topic: name, group, partition, partitions },
        connect: consumer.connect.bind(consumer),
        formerLeases: () => Promise.resolve(new Map()),
        get leasePort() {
          return lease.connect();
        },
        get suspectPort() {
          return suspects.connect();
        },
        get parkedPort() {
          return parked.connect(group, partitionBits(partition, partitions));
        },
      };
      const look = async (): Promise<PartitionOnServer> => ({
        partition,
        lease: leaseOf(await lease.connect().read(), this.clock.wallNow()),
        ...consumer.look(),
      });
      return { wire, look };
    });
    const made: MemoryGroup = {
      wire: {
        layout: { partitions, layout: 0, changes: 0 },
        partitions: opened.map(({ wire }) => wire),
        layoutPort: undefined,
        repartitionPorts: undefined,
      },
      look: () => Promise.all(opened.map(({ look }) => look())),
    };
    this.#groups.set(key, made);
    return made;
  }

  async #lookAt(topic: string, { group, known, knownOnly }: GroupQuestion): Promise<GroupOnServer> {
    const all = (await this.#groups.get(`${topic} ${group}`)?.look()) ?? [];
    return {
      firstSequence: 1,
      partitions: all.filter(({ partition }) => !knownOnly || known.has(partition)),
    };
  }
}

/** Keys in memory do not know when they were written: now will do. */
function leaseOf(found: StoredValue<LeaseRecord> | undefined, now: number): LeaseOnServer | undefined {
  if (found === undefined) return undefined;
  const { owner, epoch, ttlMs, released } = found.value;
  return { owner, epoch, ttlMs, released: released === true, writtenAt: now };
}

function firstSequence(startAt: ResolvedTopic['consume']['startAt'], stream: MemoryStream): number {
  if (startAt === 'all') return 1;
  if (startAt === 'new') return stream.messages.length + 1;
  if ('sequence' in startAt) return startAt.sequence;
  const found = stream.messages.find(({ storedAt }) => Date.parse(storedAt) >= startAt.time.getTime());
  return found?.sequence ?? stream.messages.length + 1;
}

function prefixOf(topic: string, bits: string): string {
  return bits === '' ? `${topic}.` : `${topic}.${bits}.`;
}
