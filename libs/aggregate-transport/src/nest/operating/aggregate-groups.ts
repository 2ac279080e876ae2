import { Inject, Injectable } from '@nestjs/common';
import { newEventId } from '../../message/event-id.js';
import { type TopicRef, topicNameOf } from '../../message/topic.js';
import type { FollowOptions, FollowSample } from '../../operating/groups/follow.js';
import type { GroupDetails, GroupSummary } from '../../operating/groups/group-state.js';
import {
  type DeletionResult,
  type GroupChangeOptions,
  Groups,
  type ResetOptions,
  type ResetResult,
} from '../../operating/groups/groups.js';
import { TopicLinks } from '../../transport/open-topics.js';

/**
 * The groups of this service's topics, for its operators. A call works from any process that has the topic declared,
 * with replicas of the group running or none. What has begun is carried on without the caller, also after a crash: the
 * replicas take the next steps, or the same call again. All reject with TOPIC_UNDECLARED or JETSTREAM_REQUEST_FAILED
 * where they cannot work, and with GROUP_UNKNOWN for a group that never started, or is deleted.
 */
@Injectable()
export class AggregateGroups {
  constructor(@Inject(TopicLinks) private readonly links: TopicLinks) {}

  /** All groups of a topic, deleted ones included; without one, of all declared topics. Sorted by topic and name. */
  async list(topic?: TopicRef): Promise<GroupSummary[]> {
    const topics = topic === undefined ? [...this.links.options.topics.keys()].sort() : [topic];
    const lists = await Promise.all(topics.map(async (one) => (await this.#of(one)).list()));
    return lists.flat();
  }

  /** One group with all its partitions, from the server: about six requests for each partition. */
  async show(topic: TopicRef, group: string): Promise<GroupDetails> {
    return (await this.#of(topic)).show(group);
  }

  /**
   * Lets a group begin again at another place. Its replicas drain, as long as their longest handler runs, and begin
   * there, in the next run. Letters whose events come again are removed. Resolves when that is in force, or with
   * `waiting` after `waitMs`. Safe to call again, and twice at once: the same id is the same reset.
   * @throws OPTIONS_INVALID, CHANGE_UNDER_WAY, ABORTED
   */
  async reset(topic: TopicRef, group: string, options: ResetOptions): Promise<ResetResult> {
    return (await this.#of(topic)).reset(group, options);
  }

  /**
   * Deletes a group for good: its place, its parked aggregates and their letters. Its replicas drain and halt. A
   * process that starts later begins a new group of that name, in the next run and above the last epoch. Resolves when
   * nothing of it is left, or with `waiting` after `waitMs`. Safe to call again.
   * @throws CHANGE_UNDER_WAY, ABORTED
   */
  async delete(topic: TopicRef, group: string, options: GroupChangeOptions = {}): Promise<DeletionResult> {
    return (await this.#of(topic)).delete(group, options);
  }

  /**
   * Calls off a reset, a deletion or a change of partitions before it is in force. Resolves with false if there is
   * none.
   */
  async cancel(topic: TopicRef, group: string): Promise<boolean> {
    return (await this.#of(topic)).cancel(group);
  }

  /**
   * Looks at a group again and again until it has caught up; that sample is the last one.
   * @throws OPTIONS_INVALID, ABORTED
   */
  async *follow(
    topic: TopicRef,
    group: string,
    options: FollowOptions = {},
  ): AsyncGenerator<FollowSample, void, undefined> {
    yield* (await this.#of(topic)).follow(group, options);
  }

  async #of(topic: TopicRef): Promise<Groups> {
    const { clock } = this.links;
    const link = await this.links.open(topicNameOf(topic, 'AggregateGroups'));
    return new Groups(link.wire.groups, { clock, newOwner: () => `groups-${newEventId(clock.wallNow())}` });
  }
}
