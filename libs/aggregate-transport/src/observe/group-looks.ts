import type { GroupOnServer, PartitionOnServer, StreamHoles } from '../records/group-on-server.js';
import type { NearRetention, Observed, ObservedGroup, ObservedTopic } from './observed.js';
import { nearRetention } from './retention.js';

/** Questions within this time share one answer, in milliseconds. */
const SHARED_FOR_MS = 1_000;
/** No request of a look begins later than this. */
const WITHIN_MS = 3_000;

interface Shared {
  readonly at: number;
  readonly answer: Promise<GroupOnServer>;
}

/**
 * Asks the server about groups, for status, metrics and the watch for events that are lost or soon will be. What is
 * asked for at about the same time is asked once.
 */
export class GroupLooks implements NearRetention {
  readonly #shared = new Map<string, Shared>();
  /** Partitions that had events to come when they were looked at last. */
  readonly #behind = new Set<string>();
  /** By group: what its topic's stream had lost from its middle when it was looked at last. */
  readonly #holes = new Map<string, StreamHoles>();

  /** By partition: why the stream soon drops what it has not settled. */
  readonly #near = new Map<string, string>();

  constructor(private readonly observed: Pick<Observed, 'clock'>) {}

  /** All partitions of the group, with the leases of those that others own. */
  all(topic: ObservedTopic, group: ObservedGroup): Promise<GroupOnServer> {
    return this.#look(topic, group, false);
  }

  /** The partitions this process owns; no lease is read. */
  owned(topic: ObservedTopic, group: ObservedGroup): Promise<GroupOnServer> {
    return this.#look(topic, group, true);
  }

  nearRetention(group: ObservedGroup, partition: number): string | undefined {
    return this.#near.get(`${keyOf(group)} ${partition}`);
  }

  #look(topic: ObservedTopic, group: ObservedGroup, ownedOnly: boolean): Promise<GroupOnServer> {
    const now = this.observed.clock.now();
    const key = keyOf(group);
    for (const kind of ownedOnly ? ['all', 'owned'] : ['all']) {
      const found = this.#shared.get(`${kind} ${key}`);
      if (found !== undefined && now - found.at < SHARED_FOR_MS) return found.answer;
    }
    const answer = this.#ask(topic, group, ownedOnly);
    this.#shared.set(`${ownedOnly ? 'owned' : 'all'} ${key}`, { at: now, answer });
    return answer;
  }

  async #ask(topic: ObservedTopic, group: ObservedGroup, ownedOnly: boolean): Promise<GroupOnServer> {
    const held = group.partitions.filter(({ lease }) => lease.mode === 'held');
    const answer = await topic.lookAt({
      group: group.group,
      layout: group.layout,
      partitions: group.partitions.length,
      owned: new Set(held.map(({ partition }) => partition)),
      ownedOnly,
      knownHoles: this.#holes.get(keyOf(group))?.version ?? '',
      withinMs: WITHIN_MS,
    });
    const unlisted = this.#noteHoles(keyOf(group), answer.holes);
    const holes = this.#holes.get(keyOf(group))?.sequences ?? [];
    for (const told of answer.partitions) {
      const { partition, position: found } = told;
      const owned = held.find((other) => other.partition === partition);
      if (owned === undefined || found === undefined) continue;
      // One that is up to date has nothing to lose, however far behind its last event the stream begins.
      const key = `${keyOf(group)} ${partition}`;
      this.#noteNear(key, answer, told);
      const wasBehind = found.pending > 0 || this.#behind.has(key);
      owned.consumer.noteLoss({ firstSequence: answer.firstSequence, holes, unlisted, wasBehind });
      if (found.pending > 0) this.#behind.add(key);
      else this.#behind.delete(key);
    }
    return answer;
  }

  #noteNear(
    key: string,
    { room }: GroupOnServer,
    { oldestSequence: sequence, oldestStoredAt: storedAt }: PartitionOnServer,
  ): void {
    const isKnown = room !== undefined && sequence !== undefined && storedAt !== undefined;
    const near = isKnown
      ? nearRetention(room, { sequence, storedAt }, this.observed.clock.wallNow())
      : undefined;
    if (near === undefined) this.#near.delete(key);
    else this.#near.set(key, `${near} (sequence ${sequence})`);
  }

  /** Keeps the last list. Returns how many holes are new and could not be listed. */
  #noteHoles(key: string, found: StreamHoles): number {
    const known = this.#holes.get(key);
    if (found.version === known?.version) return 0;
    const { version, count, sequences = [] } = found;
    this.#holes.set(key, { version, count, sequences });
    if (found.sequences !== undefined || known === undefined) return 0;
    return Math.max(0, count - known.count);
  }
}

/** With the layout: what was seen of one says nothing of another. */
function keyOf({ topic, group, layout }: ObservedGroup): string {
  return `${topic} ${group} ${layout}`;
}
