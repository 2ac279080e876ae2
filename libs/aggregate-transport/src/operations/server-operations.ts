import type { Question, GroupAnswer, OneAggregateAnswer } from '../asking/answers.js';
import { gather } from '../asking/gather.js';
import type { Clock } from '../clock.js';
import { inParallel } from '../in-parallel.js';
import { newEventId } from '../message/event-id.js';
import { aggregateIdOf, tokenOf } from '../message/subject.js';
import { type CommandResult, ParkedCommands } from '../operating/commands/operator-commands.js';
import { DEFAULT_RATE, retryEach, type RetryAllResult } from '../operating/commands/retry-each.js';
import type { FollowOptions, FollowSample } from '../operating/groups/follow.js';
import type { GroupDetails, GroupSummary } from '../operating/groups/group-state.js';
import {
  type DeletionResult,
  type GroupChangeOptions,
  Groups,
  type RepartitionResult,
  type ResetOptions,
  type ResetResult,
} from '../operating/groups/groups.js';
import { readStatus, type StatusRow } from '../operating/groups/status-rows.js';
import { findParked } from '../operating/letters/find-parked.js';
import type { LetterFilter } from '../operating/letters/letter-filter.js';
import type { ServerPorts, TopicPorts } from '../operating/server/server-ports.js';
import type { ParkedCommandKind } from '../records/marker.js';
import { viewAggregate } from './aggregate-view.js';
import { bounded } from './bounds.js';
import type { AskGroupOptions, AskOptions, LiveAggregateView, LiveGroup } from './live.js';
import { liveAggregateOf, liveGroupOf } from './live-view.js';
import { livingNames } from './living-names.js';
import type {
  AggregateInGroup,
  CommandOptions,
  FoundAggregate,
  GroupAddress,
  GroupFilter,
  GroupStand,
  LetterList,
  LetterPage,
  Operations,
  ParkedList,
  ParkedPage,
  RetryAllOptions,
  SearchOptions,
  TopicOnServer,
} from './operations.js';
import { readLetters, readParked, typeOf } from './parked-list.js';
import { searchAggregates } from './search.js';
import type { AggregateOptions, AggregateView } from './timeline.js';

const DEFAULT_WAIT_MS = 30_000;
const TOPICS_AT_ONCE = 8;
const WITHIN = { otherwise: 1_000, least: 50, most: 5_000 };
const WORST = { otherwise: 20, least: 0, most: 200 };
const WAIT = { otherwise: DEFAULT_WAIT_MS, least: 0, most: Number.MAX_SAFE_INTEGER };

/** {@link Operations} over ports: each call opens what it needs and keeps nothing. */
export class ServerOperations implements Operations {
  constructor(
    private readonly server: ServerPorts,
    private readonly clock: Clock,
  ) {}

  async topics(): Promise<readonly TopicOnServer[]> {
    const names = await this.server.topics();
    return inParallel(names, TOPICS_AT_ONCE, async (topic) => {
      const ports = await this.server.topic(topic);
      const [stand, groups] = await Promise.all([ports.stand(), ports.groups.names()]);
      return { topic, ...(stand ?? NOTHING), groups, hasStream: stand !== undefined };
    });
  }

  async groups(topic?: string): Promise<readonly GroupSummary[]> {
    const topics = topic === undefined ? await this.server.topics() : [topic];
    const lists = await inParallel(topics, TOPICS_AT_ONCE, async (name) => (await this.#groups(name)).list());
    return lists.flat();
  }

  async group({ topic, group }: GroupAddress): Promise<GroupDetails> {
    return (await this.#groups(topic)).show(group);
  }

  async status({ topic, group }: GroupFilter = {}): Promise<readonly GroupStand[]> {
    const topics = topic === undefined ? await this.server.topics() : [topic];
    const lists = await inParallel(topics, TOPICS_AT_ONCE, async (name) => {
      const { status } = await this.server.topic(name);
      return readStatus(status, group, this.clock);
    });
    return standsOf(lists.flat());
  }

  async askGroup(address: GroupAddress, options: AskGroupOptions = {}): Promise<LiveGroup> {
    const worst = bounded('worst', options.worst, WORST);
    const question: Question = { v: 1, ask: 'group', ...(worst === 0 ? {} : { worst }) };
    const { ports, about, withinMs, living } = await this.#asking(address, options);
    const { clock } = this;
    const how = { ...address, clock, withinMs, living };
    return liveGroupOf(about(), await gather<GroupAnswer>(ports.ask(address.group), question, how), worst);
  }

  async askAggregate(
    { aggregateId, ...address }: AggregateInGroup,
    options: AskOptions = {},
  ): Promise<LiveAggregateView> {
    tokenOf(aggregateId);
    const question: Question = { v: 1, ask: 'aggregate', aggregateId };
    const { ports, about, withinMs, living } = await this.#asking(address, options);
    const isEnough = (answer: OneAggregateAnswer): boolean =>
      answer.isOwner && answer.aggregateId === aggregateId;
    const how = { ...address, clock: this.clock, withinMs, living, isEnough };
    const gathered = await gather<OneAggregateAnswer>(ports.ask(address.group), question, how);
    return liveAggregateOf({ ...about(), aggregateId }, gathered);
  }

  async aggregate(
    { topic, aggregateId }: { readonly topic: string; readonly aggregateId: string },
    options: AggregateOptions = {},
  ): Promise<AggregateView> {
    const ports = await this.server.topic(topic);
    return viewAggregate(ports, {
      aggregateId,
      options,
      commandsOf: (group) => this.#commands(ports, group),
      ask: (group) => this.askAggregate({ topic, group, aggregateId }),
    });
  }

  search(text: string, options: SearchOptions = {}): Promise<readonly FoundAggregate[]> {
    return searchAggregates(this.server, text, options);
  }

  async parked(
    { topic, group }: GroupAddress,
    filter: LetterFilter = {},
    page: ParkedPage = {},
  ): Promise<ParkedList> {
    const ports = await this.server.topic(topic);
    return readParked(ports.parked(group), this.#commands(ports, group), filter, page);
  }

  async letters({ topic, group, aggregateId }: AggregateInGroup, page: LetterPage = {}): Promise<LetterList> {
    const ports = await this.server.topic(topic);
    return readLetters(this.#commands(ports, group), aggregateId, page);
  }

  retry(address: AggregateInGroup, options?: CommandOptions): Promise<CommandResult> {
    return this.#command(address, 'retry', options);
  }

  skip(address: AggregateInGroup, options?: CommandOptions): Promise<CommandResult> {
    return this.#command(address, 'skipHead', options);
  }

  discard(address: AggregateInGroup, options?: CommandOptions): Promise<CommandResult> {
    return this.#command(address, 'discard', options);
  }

  async retryAll(
    { topic, group }: GroupAddress,
    filter: LetterFilter = {},
    { ratePerSecond = DEFAULT_RATE, waitMs, signal, onProgress }: RetryAllOptions = {},
  ): Promise<RetryAllResult> {
    const ports = await this.server.topic(topic);
    const commands = this.#commands(ports, group);
    const within = bounded('waitMs', waitMs, WAIT);
    const found = await findParked(commands, [filter], typeOf);
    return retryEach(
      found.map(({ token }) => aggregateIdOf(token)).sort(),
      (aggregateId) => commands.command(aggregateId, 'retry', within),
      { ratePerSecond, clock: this.clock, signal, onProgress },
    );
  }

  async repartition(
    { topic, group }: GroupAddress,
    partitions: number,
    options: GroupChangeOptions = {},
  ): Promise<RepartitionResult> {
    return (await this.#groups(topic)).repartition(group, partitions, options);
  }

  async reset({ topic, group }: GroupAddress, options: ResetOptions): Promise<ResetResult> {
    return (await this.#groups(topic)).reset(group, options);
  }

  async deleteGroup(
    { topic, group }: GroupAddress,
    options: GroupChangeOptions = {},
  ): Promise<DeletionResult> {
    return (await this.#groups(topic)).delete(group, options);
  }

  async cancelChange({ topic, group }: GroupAddress): Promise<boolean> {
    return (await this.#groups(topic)).cancel(group);
  }

  async *follow(
    { topic, group }: GroupAddress,
    options: FollowOptions = {},
  ): AsyncGenerator<FollowSample, void, undefined> {
    yield* (await this.#groups(topic)).follow(group, options);
  }

  async #command(
    { topic, group, aggregateId }: AggregateInGroup,
    kind: ParkedCommandKind,
    { waitMs }: CommandOptions = {},
  ): Promise<CommandResult> {
    const within = bounded('waitMs', waitMs, WAIT);
    const ports = await this.server.topic(topic);
    return this.#commands(ports, group).command(aggregateId, kind, within);
  }

  /** What both questions need. The sessions are read while the answers come. */
  async #asking({ topic, group }: GroupAddress, options: AskOptions) {
    const withinMs = bounded('withinMs', options.withinMs, WITHIN);
    const ports = await this.server.topic(topic);
    const living = livingNames(ports.sessions(group), this.clock);
    const about = () => ({ topic, group, at: this.clock.wallNow() });
    return { ports, about, withinMs, living };
  }

  async #groups(topic: string): Promise<Groups> {
    const { clock } = this;
    const ports = await this.server.topic(topic);
    return new Groups(ports.groups, { clock, newOwner: () => `groups-${newEventId(clock.wallNow())}` });
  }

  #commands(ports: TopicPorts, group: string): ParkedCommands {
    const { clock } = this;
    return new ParkedCommands({
      name: `topic "${ports.topic}", group "${group}"`,
      port: ports.parked(group),
      clock,
      newId: () => newEventId(clock.wallNow()),
    });
  }
}

const NOTHING = {
  events: 0,
  bytes: 0,
  aggregates: 0,
  firstSequence: 0,
  lastSequence: 0,
  lastStoredAt: undefined,
};

/** The rows of each group together, in the order they came. Pure. */
function standsOf(rows: readonly StatusRow[]): GroupStand[] {
  const groups = new Map<string, StatusRow[]>();
  for (const row of rows) {
    const name = `${row.topic} ${row.group}`;
    const known = groups.get(name);
    if (known === undefined) groups.set(name, [row]);
    else known.push(row);
  }
  return [...groups.values()].map((partitions) => {
    const { topic = '', group = '', missing = [] } = partitions[0] ?? {};
    return { topic, group, partitions, missing };
  });
}
