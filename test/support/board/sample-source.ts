import type {
  AggregateView,
  BoardSource,
  CommandEnd,
  Finding,
  GroupLine,
  GroupView,
  Overview,
  Trouble,
} from '#board/source/board-source.js';
import { pageOf, worstFirst } from '#board/operations/troubles.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** What a sample knows; tests change it. */
export interface Sample {
  groups: GroupLine[];
  troubles: Trouble[];
  findings: Finding[];
  aggregate: Partial<AggregateView>;
  /** Every call rejects with this, while it is set. */
  failure: Error | undefined;
  /** Calls that changed something, in order. */
  readonly commands: string[];
  /** Reads, by kind. */
  readonly reads: Record<'overview' | 'group' | 'aggregate', number>;
  end: () => Promise<CommandEnd>;
}

export function groupLine(change: Partial<GroupLine> = {}): GroupLine {
  return {
    ...{
      topic: 'orders',
      group: 'billing',
      condition: 'living',
      change: undefined,
      partitions: 4,
      owned: 4,
      owners: 2,
    },
    ...{ leaseAgeMs: 412, lag: 1_284, oldestMs: 14 * MINUTE, parked: 2, letters: 31, answered: 2 },
    ...{ perSecond: 3_180, p50Ms: 4, p99Ms: 38, isBreakerOpen: false },
    ...change,
  };
}

export function trouble(change: Partial<Trouble> = {}): Trouble {
  return {
    ...{ topic: 'orders', group: 'billing', aggregateId: 'order-4711', kind: 'parked' },
    ...{ reason: 'every attempt failed', error: 'PaymentRefused: the card has expired', forMs: 14 * MINUTE },
    ...{
      partition: 3,
      owner: 'billing-7d9f-01HZX3K2M4',
      sequence: 88_412,
      type: 'OrderPaid',
      attempts: 5,
      waiting: 12,
    },
    ...{ nextAt: undefined, state: 'parked' },
    ...change,
  };
}

/** The state of an evening when one thing is wrong and little else. */
export function sample(): Sample {
  return {
    groups: [
      groupLine(),
      groupLine({
        group: 'search',
        lag: 3,
        oldestMs: 420,
        parked: 0,
        letters: 0,
        perSecond: 3_204,
        p50Ms: 1,
        p99Ms: 6,
        owners: 2,
      }),
      groupLine({
        ...{
          topic: 'invoices',
          group: 'ledger',
          lag: 0,
          oldestMs: undefined,
          parked: 0,
          letters: 0,
          answered: 0,
        },
        ...{
          perSecond: undefined,
          p50Ms: undefined,
          p99Ms: undefined,
          isBreakerOpen: undefined,
          partitions: 2,
          owned: 2,
        },
      }),
    ],
    troubles: [
      trouble({
        ...{
          aggregateId: 'order-90210',
          kind: 'stuck',
          forMs: 22 * MINUTE,
          error: undefined,
          reason: undefined,
        },
        ...{ type: 'OrderPlaced', sequence: 88_107, attempts: 1, waiting: 7, partition: 1 },
      }),
      trouble(),
      trouble({
        ...{ aggregateId: 'order-4822', forMs: 6 * MINUTE, waiting: 19, sequence: 88_720 },
        error: "TypeError: Cannot read properties of undefined (reading 'iban')",
      }),
      trouble({
        ...{
          aggregateId: 'order-5113',
          kind: 'retrying',
          forMs: 42 * SECOND,
          attempts: 3,
          waiting: 2,
          sequence: 88_930,
        },
        ...{
          error: 'Error ECONNREFUSED: connect to ledger:5432',
          reason: 'failed in its handler',
          state: undefined,
        },
        nextAt: Date.now() + 12 * SECOND,
      }),
    ],
    findings: [
      {
        ...{ topic: 'orders', group: 'billing', partition: 1, code: 'stuck', forMs: 21 * MINUTE },
        why: '1 handler has not settled for more than twice its timeoutMs',
        do: 'look at what the handler waits for, and end the process if it does not return',
      },
    ],
    aggregate: {},
    failure: undefined,
    commands: [],
    reads: { overview: 0, group: 0, aggregate: 0 },
    end: () => Promise.resolve({ isDone: true, text: 'no letter is left, and the aggregate is live again' }),
  };
}

/** A fake at the port of the board. */
export class SampleSource implements BoardSource {
  constructor(readonly sample: Sample) {}

  readonly overview = async (): Promise<Overview> => {
    this.#count('overview');
    const { groups, troubles, findings } = this.sample;
    return Promise.resolve({
      ...{ at: Date.now(), groups, findings, notes: [] },
      troubles: worstFirst(troubles).slice(0, 25),
      troubleCount: troubles.length,
    });
  };

  readonly group: BoardSource['group'] = async (ref, question): Promise<GroupView> => {
    this.#count('group');
    const { groups, troubles, findings } = this.sample;
    const group = groups.find((one) => one.topic === ref.topic && one.group === ref.group);
    if (group === undefined)
      throw Object.assign(new Error(`expected group "${ref.group}"`), { code: 'GROUP_UNKNOWN' });
    const own = troubles.filter((one) => one.topic === ref.topic && one.group === ref.group);
    const isKnown = group.answered > 0;
    return Promise.resolve({
      ...{ at: Date.now(), group, notes: [], findings: findings.filter((one) => one.group === ref.group) },
      troubles: pageOf(own, question),
      partitions: Array.from({ length: group.partitions }, (_, partition) => ({
        ...{
          partition,
          owner: `billing-7d9f-01HZX3K2M${partition % 2}`,
          lease: 'held',
          leaseAgeMs: 300 + 41 * partition,
        },
        ...{
          epoch: 12,
          position: 88_000 + partition,
          lag: 321,
          unsettled: 12,
          oldestMs: partition === 1 ? 22 * MINUTE : 90,
        },
        ...{ parked: partition === 3 ? 2 : 0, letters: partition === 3 ? 31 : 0 },
        ...(isKnown
          ? { inFlight: 8, lanes: 60 + partition, mode: 'running' }
          : { inFlight: undefined, lanes: undefined, mode: undefined }),
      })),
      processes: [0, 1].map((index) => ({
        ...{
          owner: `billing-7d9f-01HZX3K2M${index}`,
          isSilent: !isKnown,
          isBreakerOpen: isKnown ? false : undefined,
        },
        ...(isKnown
          ? { partitions: 2, inFlight: 16, perSecond: 1_590, p50Ms: 4, p99Ms: 38 }
          : {
              partitions: undefined,
              inFlight: undefined,
              perSecond: undefined,
              p50Ms: undefined,
              p99Ms: undefined,
            }),
      })),
    });
  };

  readonly aggregate: BoardSource['aggregate'] = async ({
    topic,
    aggregateId,
    payloads,
  }): Promise<AggregateView> => {
    this.#count('aggregate');
    const now = Date.now();
    const found = this.sample.troubles.find((one) => one.aggregateId === aggregateId);
    const types = ['OrderPaid', 'OrderChanged', 'OrderPlaced'];
    const view: AggregateView = {
      ...{ at: now, topic, aggregateId, events: 3, older: 0, moreLetters: 0, notes: [] },
      places: [
        {
          ...{
            group: 'billing',
            partition: 3,
            owner: 'billing-7d9f-01HZX3K2M4',
            isOwnerAlive: true,
            isAnswered: true,
          },
          ...{
            settledThrough: 88_390,
            waiting: 0,
            letters: found?.kind === 'parked' ? 2 : 0,
            queued: 0,
            trouble: found,
          },
        },
        {
          ...{
            group: 'search',
            partition: 1,
            owner: 'search-55c1-01HZX3K2M9',
            isOwnerAlive: true,
            isAnswered: true,
          },
          ...{ settledThrough: 88_412, waiting: 0, letters: 0, queued: 0, trouble: undefined },
        },
      ],
      history: types.map((type, index) => ({
        ...{ sequence: 88_412 - 11 * index, storedAt: now - 14 * MINUTE - index * 97_000, type },
        ...{
          eventId: `0192f1c2-77aa-7000-8000-00000000000${index}`,
          traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
        },
        payload: payloads ? JSON.stringify({ id: aggregateId, amount: 49.9 }, undefined, 2) : undefined,
        places: [
          {
            ...{ group: 'billing', state: index === 0 ? 'letter' : 'handled', by: undefined },
            ...{ attempts: index === 0 ? 5 : undefined, error: index === 0 ? found?.error : undefined },
            reason: index === 0 ? 'every attempt failed' : undefined,
          },
          {
            group: 'search',
            state: 'handled',
            attempts: undefined,
            error: undefined,
            reason: undefined,
            by: undefined,
          },
        ],
      })),
      letters:
        found?.kind === 'parked'
          ? [
              {
                ...{
                  group: 'billing',
                  sequence: 88_412,
                  storedAt: now - 14 * MINUTE,
                  type: 'OrderPaid',
                  eventId: 'e-1',
                },
                ...{ traceId: undefined, reason: 'every attempt failed', error: found.error, attempts: 5 },
                payload: payloads
                  ? JSON.stringify({ id: aggregateId, amount: 49.9 }, undefined, 2)
                  : undefined,
              },
            ]
          : [],
    };
    return Promise.resolve({ ...view, ...this.sample.aggregate });
  };

  readonly find: BoardSource['find'] = (text) => {
    const found = this.sample.troubles.filter(({ aggregateId }) => aggregateId.includes(text));
    return Promise.resolve(
      found.map(({ topic, group, aggregateId }) => ({ topic, aggregateId, parkedIn: [group] })),
    );
  };

  readonly retry: BoardSource['retry'] = ({ aggregateId }) => this.#command(`retry ${aggregateId}`);
  readonly skip: BoardSource['skip'] = ({ aggregateId }) => this.#command(`skip ${aggregateId}`);
  readonly discard: BoardSource['discard'] = ({ aggregateId }) => this.#command(`discard ${aggregateId}`);
  readonly retryAll: BoardSource['retryAll'] = ({ group }) => this.#command(`retry all ${group}`);
  readonly repartition: BoardSource['repartition'] = ({ group }, to) =>
    this.#command(`repartition ${group} ${to}`);
  readonly rewind: BoardSource['rewind'] = ({ group }, to) =>
    this.#command(`rewind ${group} ${JSON.stringify(to)}`);
  readonly cancel: BoardSource['cancel'] = ({ group }) => this.#command(`cancel ${group}`);

  #count(kind: keyof Sample['reads']): void {
    this.sample.reads[kind]++;
    if (this.sample.failure !== undefined) throw this.sample.failure;
  }

  #command(text: string): Promise<CommandEnd> {
    this.sample.commands.push(text);
    return this.sample.end();
  }
}
