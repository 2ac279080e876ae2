import { Inject, Injectable } from '@nestjs/common';
import { AggregateTransportError } from '../../errors.js';
import { newEventId } from '../../message/event-id.js';
import { tokenOf } from '../../message/subject.js';
import { type TopicRef, topicNameOf } from '../../message/topic.js';
import { type AggregatePlace, placesOf } from '../../operating/aggregates/aggregate-places.js';
import type { AggregatePorts } from '../../operating/aggregates/aggregate-ports.js';
import { AggregatePurge, type Purged, type PurgePlan } from '../../operating/aggregates/purge-aggregate.js';
import {
  commandsOf,
  type OperatorParts,
  replayAggregate,
  type ReplayFrom,
} from '../../operating/aggregates/replay-aggregate.js';
import type { CommandResult } from '../../operating/commands/operator-commands.js';
import { TopicLinks } from '../../transport/open-topics.js';

/** Names one aggregate of a topic. */
export interface AggregateAddress {
  /** A name, or what `defineTopic` returned. */
  readonly topic: TopicRef;
  /** The aggregate's id, as its publisher gives it. */
  readonly aggregateId: string;
}

/** Names one aggregate in one group. */
export interface AggregateInGroup extends AggregateAddress {
  /** @default the group of `forRoot` */
  readonly group?: string;
}

const DEFAULT_WAIT_MS = 30_000;

/**
 * What an operator does with one aggregate: handle its history again, see where it stands, remove it. Every call works
 * from any process that has the topic declared. All reject with TOPIC_UNDECLARED, AGGREGATE_ID_INVALID or
 * JETSTREAM_REQUEST_FAILED where they cannot work.
 */
@Injectable()
export class Aggregates {
  constructor(@Inject(TopicLinks) private readonly links: TopicLinks) {}

  /**
   * Lets the owner of the aggregate handle its events again, from a place on, one after the other. Other aggregates
   * continue; its own later events wait. `ctx.run` is one higher, so a guard lets the repeats through, and
   * `ctx.isReplay` is true. Resolves when that has ended, or with `running` after `waitMs` (default 30 000). Safe to
   * call again: the same request waits for the one that stands.
   * @throws GROUP_MISSING, GROUP_UNKNOWN, COMMAND_UNANSWERED if no owner took it up in time: it stands until one does
   */
  async replay(
    { topic, aggregateId, ...address }: AggregateInGroup,
    { from = 'start', waitMs = DEFAULT_WAIT_MS }: { from?: ReplayFrom; waitMs?: number } = {},
  ): Promise<CommandResult> {
    const group = this.#groupOf(address);
    return replayAggregate(await this.#ports(topic), aggregateId, { group, from, waitMs }, this.#parts());
  }

  /**
   * Takes back a replay that no owner has begun. Resolves with false if there is none. Safe to call twice.
   * @throws GROUP_MISSING
   */
  async withdrawReplay({ topic, aggregateId, ...address }: AggregateInGroup): Promise<boolean> {
    const group = this.#groupOf(address);
    return commandsOf(await this.#ports(topic), group, this.#parts()).withdraw(aggregateId);
  }

  /** Where the aggregate stands in every group of the topic, whether a replica runs or not. */
  async places({ topic, aggregateId }: AggregateAddress): Promise<AggregatePlace[]> {
    const ports = await this.#ports(topic);
    const token = tokenOf(aggregateId);
    const sequences: number[] = [];
    for await (const { sequence } of ports.history(token, 1)) sequences.push(sequence);
    return placesOf(ports, token, { sequences });
  }

  /** What {@link purge} would remove. Changes nothing. */
  async planPurge(address: AggregateAddress): Promise<PurgePlan> {
    return (await this.#purge(address)).plan();
  }

  /**
   * Removes the aggregate's events, and its letters and markers in every group. No group counts them as lost. Backups,
   * mirrors, logs and databases are not reached. Safe to call again after it rejected, and while replicas run.
   * `waitMs` (default 30 000): how long an owner may take to drop the letters.
   * @throws AGGREGATE_UNSETTLED if a group has not handled all its events: nothing is removed
   * @throws COMMAND_UNANSWERED
   */
  async purge(
    address: AggregateAddress,
    { waitMs = DEFAULT_WAIT_MS }: { waitMs?: number } = {},
  ): Promise<Purged> {
    return (await this.#purge(address)).run({ waitMs });
  }

  async #purge({ topic, aggregateId }: AggregateAddress): Promise<AggregatePurge> {
    return new AggregatePurge(await this.#ports(topic), aggregateId, this.#parts());
  }

  async #ports(ref: TopicRef): Promise<AggregatePorts> {
    const link = await this.links.open(topicNameOf(ref, 'Aggregates'));
    return link.wire.aggregates();
  }

  #groupOf({ group = this.links.options.group }: { group?: string }): string {
    if (group !== undefined) return group;
    throw new AggregateTransportError(
      'GROUP_MISSING',
      'expected a consumer group, found none; name it in the call, or set group in AggregateTransportModule.forRoot',
    );
  }

  #parts(): OperatorParts {
    const { clock } = this.links;
    return { clock, newId: () => newEventId(clock.wallNow()) };
  }
}
