import {
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { Responder } from '../../asking/responder.js';
import { type Clock, every, type Timer } from '../../clock.js';
import { GroupAnswers } from '../../observe/asked/group-answers.js';
import { logAt } from '../../log.js';
import { nestLog } from '../nest-log.js';
import { Health } from '../../observe/health.js';
import { HealthLog } from '../../observe/health-log.js';
import type { HealthProblem } from '../../observe/health-problem.js';
import { GroupLooks } from '../../observe/group-looks.js';
import { Metrics } from '../../observe/metrics.js';
import type { Observed, ObservedTopic } from '../../observe/observed.js';
import { AggregateServer } from '../serving/aggregate.server.js';
import { type TopicLink, TopicLinks } from '../../transport/open-topics.js';
import type { ServedGroup } from '../../transport/served-group.js';

/** Events that leave the stream before they are read must be noticed, also where no observer asks. */
const LOOK_EVERY_MS = 10_000;
/** Reads memory only. A problem is in the log this long after it began to count as one, at most. */
const JUDGE_EVERY_MS = 1_000;

/**
 * This application's transport as `observe/` sees it: what status, health and metrics are read from. Looks now and then
 * at the groups whose partitions it owns, and gives everything to the meter, if there is one.
 */
@Injectable()
export class ObservedApp implements Observed, OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown {
  readonly clock: Clock;
  readonly looks: GroupLooks;
  readonly #metrics: Metrics | undefined;
  #hasHandlers: boolean | undefined;
  readonly #health: Health;
  /** As they were judged last, a second ago at most: judging goes through all lanes. */
  #lastProblems: readonly HealthProblem[] = [];
  readonly #timers: Timer[] = [];
  #judging: Timer | undefined;

  constructor(
    @Inject(TopicLinks) private readonly links: TopicLinks,
    @Inject(AggregateServer) private readonly server: AggregateServer,
  ) {
    this.clock = links.clock;
    this.looks = new GroupLooks(this);
    this.#health = new Health(this);
    const { metrics } = links.options;
    server.whenServing((group, link) => this.#answer(group, link));
    if (metrics !== undefined) this.#metrics = new Metrics({ ...metrics, observed: this, looks: this.looks });
  }

  get hasHandlers(): boolean {
    return (this.#hasHandlers ??= this.server.handlerCount > 0) || this.server.groups.length > 0;
  }

  get isListening(): boolean {
    return this.server.isListening;
  }

  topics(): ObservedTopic[] {
    return [...this.links.options.topics.keys()].flatMap((name) => {
      const link = this.links.opened(name);
      if (link === undefined) return [];
      const { wire, settings, sequencer: publisher } = link;
      const groups = this.server.groups.filter(({ topic }) => topic === name);
      const { connected, closed, closedWhy, jetStreamAway } = wire;
      const lookAt: ObservedTopic['lookAt'] = (question) => wire.lookAt(question);
      return [
        {
          ...{ name, connected, closed, closedWhy, jetStreamAway },
          ...{ publisher, groups, settings, lookAt },
        },
      ] satisfies ObservedTopic[];
    });
  }

  closedTopics(): string[] {
    return [...this.links.options.topics.keys()].filter((name) => this.links.opened(name) === undefined);
  }

  problems(): HealthProblem[] {
    return (this.#lastProblems = this.#health.problems());
  }

  onApplicationBootstrap(): void {
    const log = new HealthLog(nestLog('AggregateHealth'));
    const judge = (): void => log.note(this.problems(), this.clock.wallNow());
    this.#judging = every(this.clock, JUDGE_EVERY_MS, judge);
    if (this.hasHandlers) this.#timers.push(every(this.clock, LOOK_EVERY_MS, () => this.#look()));
  }

  /** What the shutdown takes away is not over, so the log says nothing from now on. */
  onModuleDestroy(): void {
    this.#judging?.cancel();
  }

  onApplicationShutdown(): void {
    for (const timer of this.#timers.splice(0)) timer.cancel();
    this.#metrics?.close();
  }

  /** Operators may ask this process about the group, until it is closed. */
  #answer(group: ServedGroup, { wire, topic }: TopicLink): { readonly end: () => void } {
    const { clock } = this;
    const responder = new Responder({
      name: `topic "${topic.name}", group "${group.group}"`,
      port: wire.operated.ask(group.group),
      answering: new GroupAnswers({ group, problems: () => this.#lastProblems, clock }),
      clock,
      log: logAt<'group'>(nestLog('AggregateServer'), { topic: topic.name, group: group.group }),
    });
    responder.start();
    return { end: () => responder.close() };
  }

  #look(): void {
    for (const topic of this.topics())
      for (const group of topic.groups)
        if (topic.connected && group.partitions.some(({ lease }) => lease.mode === 'held'))
          // The next look comes soon.
          this.looks.owned(topic, group).catch(() => undefined);
  }
}
