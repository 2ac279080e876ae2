import type { LaneReport } from '#library/consumer/lanes/lane-report.js';
import type { PartitionCounts, PartitionLoad } from '#library/consumer/partition-status.js';
import type { StreamLoss } from '#library/consumer/reading/dropped-events.js';
import { Health } from '#library/observe/health.js';
import type { HealthProblem } from '#library/observe/health-problem.js';
import type { PublishTrouble } from '#library/publisher/publish-outcomes.js';
import type { GroupOnServer, GroupQuestion, StreamHoles } from '#library/records/group-on-server.js';
import type { Observed, ObservedPartition, ObservedTopic } from '#library/observe/observed.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

export const NO_HOLES: StreamHoles = { version: '', count: 0, sequences: [] };

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A process with one topic and one group, as observers see it: everything is well until a test says otherwise. */
export class ObservedFixture implements Observed {
  readonly clock = new ManualClock(1_000_000);
  readonly #health = new Health(this);
  hasHandlers = true;
  isListening = true;
  readonly notOpen: string[] = [];
  readonly load: Mutable<PartitionLoad> = {
    mode: 'running',
    haltReason: undefined,
    haltCause: undefined,
    notCommittingMs: 0,
    notCommittingWhy: undefined,
    notReadingMs: 0,
    notReadingWhy: undefined,
    readerEdited: undefined,
    inFlight: 0,
    lanes: 1,
    events: 0,
    bytes: 0,
    parked: 0,
    letterRefusal: undefined,
    typeWait: undefined,
    breaker: { isOpen: false, prober: undefined },
    attempts: { withinMs: 5_000, total: 0, failed: 0, nearlyAllFail: false, stillFail: false },
  };
  readonly lanes: Mutable<LaneReport> = {
    blocked: 0,
    refusedByGuard: 0,
    byReason: [],
    stuck: 0,
    oldest: {},
    slowest: [],
  };
  readonly counts: Mutable<PartitionCounts> = {
    handled: 0,
    failedIn: { decode: 0, route: 0, shape: 0, guard: 0, interceptor: 0, pipe: 0, handler: 0, crash: 0 },
    ignored: 0,
    retried: 0,
    blocked: 0,
    parked: 0,
    skipped: 0,
    crashed: 0,
    filed: 0,
    replayed: 0,
    replaysFailed: 0,
    unparked: 0,
    claims: 0,
    readers: 0,
    leases: 1,
    leasesLost: 0,
    lost: 0,
  };
  /** What `noteLoss` was told. */
  readonly seen: StreamLoss[] = [];
  /** What the server was asked, and what it answers. */
  readonly questions: GroupQuestion[] = [];
  answer: () => Promise<GroupOnServer> = () =>
    Promise.resolve({ firstSequence: 1, holes: NO_HOLES, room: undefined, partitions: [] });
  /** Why the stream soon drops what is unsettled. */
  near: string | undefined;
  readonly looks = { nearRetention: () => this.near };
  leaseMode: ObservedPartition['lease']['mode'] = 'held';
  holder: string | undefined = 'me';
  unownedMs = 0;
  trouble: PublishTrouble | undefined;
  readonly topic: Mutable<ObservedTopic> = {
    name: 'orders',
    connected: true,
    closed: false,
    jetStreamAway: undefined,
    publisher: {
      pending: 3,
      published: 5,
      failed: 1,
      batching: { on: false, reason: 'a test' },
      unknownAggregates: () => ['a'],
      trouble: () => this.trouble,
    },
    settings: { current: () => [] },
    groups: [{ topic: 'orders', group: 'billing', layout: 2, partitions: [this.#partition()] }],
    lookAt: (question) => {
      this.questions.push(question);
      return this.answer();
    },
  };

  topics(): ObservedTopic[] {
    return [this.topic];
  }

  problems(): HealthProblem[] {
    return this.#health.problems();
  }

  closedTopics(): string[] {
    return this.notOpen;
  }

  #partition(): ObservedPartition {
    const lease = { epoch: 7, isValid: () => true };
    Object.defineProperty(lease, 'mode', { get: () => this.leaseMode });
    Object.defineProperty(lease, 'holder', { get: () => this.holder });
    const partition = {
      partition: 0,
      owner: 'me',
      lease: lease as never,
      counts: this.counts,
      consumer: {
        load: this.load,
        report: () => this.lanes,
        noteLoss: (loss: StreamLoss) => void this.seen.push(loss),
      },
    };
    return Object.defineProperty(partition, 'unownedMs', { get: () => this.unownedMs }) as never;
  }
}
