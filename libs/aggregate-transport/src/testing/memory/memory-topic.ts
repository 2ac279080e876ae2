import type { Clock } from '../../clock.js';
import type { GroupOnServer, GroupQuestion } from '../../records/group-on-server.js';
import { subjectOf } from '../../message/subject.js';
import type { AggregatePorts } from '../../operating/aggregates/aggregate-ports.js';
import type { TopicGroups } from '../../operating/groups/group-ports.js';
import type { StreamStand } from '../../operating/server/server-ports.js';
import type { ResolvedTopic } from '../../transport/resolve-options.js';
import type { TopicWire } from '../../transport/wires.js';
import { operatedInMemory } from '../operated/memory-operated.js';
import { MemoryGroup } from './memory-group.js';
import { MemoryParked } from './memory-parked.js';
import { connectPublisher } from './memory-publisher.js';
import { MemoryStream } from './memory-stream.js';

export interface MemoryTopicOptions {
  /** As the first process that opens it declares it. */
  readonly topic: ResolvedTopic;
  readonly clock: Clock;
  /** A request, an answer or an event has arrived. */
  readonly moved: () => void;
}

const MAX_PAYLOAD_BYTES = 1_048_576;

/** A topic in memory: its stream, its groups and its parked events. It outlives the applications that open it. */
export class MemoryTopic {
  readonly stream: MemoryStream;
  readonly parked: MemoryParked;
  readonly #groups = new Map<string, MemoryGroup>();

  constructor(private readonly options: MemoryTopicOptions) {
    const { topic, clock, moved } = options;
    this.stream = new MemoryStream(clock, topic.stream.duplicateWindowMs);
    this.stream.watch({ stored: moved });
    this.parked = new MemoryParked({ maxLetters: topic.parked.maxLetters, clock, moved });
  }

  get topic(): ResolvedTopic {
    return this.options.topic;
  }

  /** The groups that were ever asked for. */
  get groups(): readonly MemoryGroup[] {
    return [...this.#groups.values()];
  }

  /** Those that have a record; with a name, that one if it has. */
  startedGroups(name?: string): readonly MemoryGroup[] {
    return this.groups.filter((group) => group.hasStarted && (name === undefined || group.name === name));
  }

  group(name: string): MemoryGroup {
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const { stream, parked } = this;
    const { topic, ...world } = this.options;
    const made = new MemoryGroup({ ...world, topic: topic.name, group: name, stream, parked });
    this.#groups.set(name, made);
    return made;
  }

  /** One process's ways to the topic. Its options decide only what the group does not know yet. */
  connect({ name, consume }: ResolvedTopic): TopicWire {
    const { stream, parked } = this;
    const groups = this.#groupPorts(name);
    return {
      description: `stream "${name}" in memory`,
      nats: undefined,
      connected: true,
      closed: false,
      jetStreamAway: undefined,
      listen: () => undefined,
      maxPayloadBytes: MAX_PAYLOAD_BYTES,
      duplicateWindowMs: this.topic.stream.duplicateWindowMs,
      batchObstacle: `topic "${name}" is in memory, where there are no batches`,
      connectPublisher: (listener) =>
        connectPublisher(stream, { clock: this.options.clock, maxPayloadBytes: MAX_PAYLOAD_BYTES }, listener),
      lastOf: (subject) => stream.lastOf(subject),
      messagesOf: (subject, fromSequence) => stream.messagesOf(subject, fromSequence),
      progress: () => Promise.resolve(stream.state),
      openGroup: (group, how) => this.group(group).open(consume, how),
      presencePort: (group) => this.group(group).presence.connect(),
      lookAt: (question) => this.#lookAt(question),
      groups,
      settingDifferences: () => Promise.resolve([]),
      parkedArchive: (group) => parked.connect(group, ''),
      aggregates: () => this.#aggregates(name),
      operated: operatedInMemory({
        ...{ topic: name, groups, aggregates: this.#aggregates(name) },
        parked: (group) => parked.connect(group, ''),
        sessions: (group) => this.group(group).presence.connect(),
        asked: (group) => this.group(group).asked,
        stand: () => standIn(stream),
      }),
    };
  }

  #groupPorts(topic: string): TopicGroups {
    return {
      topic,
      names: () => {
        const known = this.groups.filter(({ isKnown }) => isKnown);
        return Promise.resolve(known.map((group) => group.name).sort());
      },
      portsOf: (group) => this.group(group).ports,
      lookAt: (question) => this.#lookAt(question),
    };
  }

  #aggregates(topic: string): AggregatePorts {
    const { stream, parked } = this;
    const of = (token: string): string => subjectOf(topic, token);
    const answered = <T>(value: T): Promise<T> => Promise.resolve(value);
    return {
      topic,
      stream: () => answered(stream.state),
      history: (token, fromSequence) => stream.messagesOf(of(token), fromSequence),
      lastBefore: (time) => answered(stream.lastBefore(time)),
      groups: () => answered(this.startedGroups().map((group) => group.started())),
      position: (address) => answered(this.group(address.group).settled(address)),
      owner: (address) => answered(this.group(address.group).ownerOf(address)),
      parked: (group) => parked.connect(group, ''),
      letters: (token) => answered(parked.lettersOf(token)),
      notePurged: (_created, sequences) => {
        stream.notePurged(sequences);
        return Promise.resolve();
      },
      purgeEvents: (token, through) => {
        const own = stream.messages.filter(({ subject }) => subject === of(token));
        const purged = own.map(({ sequence }) => sequence).filter((sequence) => sequence <= through);
        stream.delete(...purged);
        return answered(purged.length);
      },
      purgeLetters: (token, through) => answered(parked.purge(token, through)),
      lastPosition: () => answered(parked.lastPosition),
    };
  }

  #lookAt(question: GroupQuestion): Promise<GroupOnServer> {
    return Promise.resolve({
      firstSequence: this.stream.firstSequence,
      room: undefined,
      holes: { version: '', count: 0, sequences: [] },
      partitions: this.#groups.get(question.group)?.status(question) ?? [],
    });
  }
}

/** What a server would say of the stream; bodies alone are counted. */
function standIn({ messages, firstSequence, lastSequence }: MemoryStream): StreamStand {
  return {
    events: messages.length,
    bytes: messages.reduce((sum, { body }) => sum + body.length, 0),
    aggregates: new Set(messages.map(({ subject }) => subject)).size,
    firstSequence,
    lastSequence,
    lastStoredAt: lastSequence === 0 ? undefined : Date.parse(messages.at(-1)?.storedAt ?? ''),
  };
}
