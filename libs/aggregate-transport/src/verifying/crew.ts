import type { ProcessMessage, PublisherOrder, PublisherSetup, ReplicaSetup } from './process-lines.js';
import { waitScaleOf } from './event-fate.js';
import { LEASE_TTL_MS } from './fault-kinds.js';
import { Owners } from './owners.js';
import { aggregateIds, sizeBoundOf, type VerifySettings } from './settings.js';
import { Slot, type SlotOptions } from './slot.js';
import { type ProxyTarget, TcpProxy } from './harness/tcp-proxy.js';

/** How the processes of a run are started and find their server. */
export interface CrewOptions {
  readonly settings: VerifySettings;
  readonly folder: string;
  /** The folder of files that release parked events. */
  readonly released: string;
  readonly command: SlotOptions['command'];
  /** Replica i talks to server i, and begins again at the first one when they run out. */
  readonly servers: readonly ProxyTarget[];
  /** True if the servers want TLS: then their certificates must have their names, and not those of proxies. */
  readonly isTls: boolean;
  readonly access: ReplicaSetup['access'];
  readonly copies: number;
  readonly handlers: { readonly file: string; readonly topic: string | undefined } | undefined;
}

const PUBLISHERS = 2;
/** Of the time for load and faults; the rest lets the last events meet faults, too. */
const LOAD_SHARE = 0.9;

/** The processes of a run: replicas of one service, and the publishers. Each has a proxy of its own. */
export class Crew {
  readonly owners = new Owners();
  /** What a process said when it could not work. */
  failure: Extract<ProcessMessage, { kind: 'failed' }> | undefined;
  readonly #stored = new Map<Slot, number>();
  readonly #done = new Set<Slot>();

  private constructor(
    readonly replicas: Slot[],
    readonly publishers: Slot[],
  ) {}

  static async open(options: CrewOptions): Promise<Crew> {
    const { replicas } = options.settings;
    const crew = new Crew([], []);
    for (let index = 0; index < PUBLISHERS; index++)
      crew.publishers.push(await crew.#place(`publisher-${index + 1}`, index, options));
    for (let index = 0; index < replicas; index++)
      crew.replicas.push(await crew.#place(`replica-${index + 1}`, index, options));
    return crew;
  }

  /** Events that are stored, as far as the publishers have told. */
  get stored(): number {
    return [...this.#stored.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Each event has its outcome. */
  get isPublished(): boolean {
    return this.#done.size === this.publishers.length;
  }

  get slots(): readonly Slot[] {
    return [...this.replicas, ...this.publishers];
  }

  /** Starts all processes; resolves when each is ready, or has ended. */
  async start(): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.start()));
  }

  begin(): void {
    for (const publisher of this.publishers) tell(publisher, { kind: 'begin' });
  }

  async close(isOrderly: boolean): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.close(isOrderly)));
  }

  async #place(name: string, index: number, options: CrewOptions): Promise<Slot> {
    const { servers, folder, command } = options;
    const target = servers[index % servers.length] ?? { host: '127.0.0.1', port: 4_222 };
    const proxy = await TcpProxy.listen(target);
    const isPublisher = name.startsWith('publisher');
    const common = {
      server: `${options.isTls ? 'tls' : 'nats'}://127.0.0.1:${proxy.port}`,
      tlsName: target.host,
    };
    const setup = isPublisher ? publisherSetup(options, index) : replicaSetup(options);
    const slot: Slot = new Slot({
      ...{ name, proxy, folder, command, isRevived: !isPublisher },
      setupFor: ({ journal }) => ({
        ...setup,
        ...common,
        tlsName: options.isTls ? common.tlsName : undefined,
        bound: sizeBoundOf(options.settings),
        journal,
      }),
      heard: (message) => this.#hear(slot, message),
      changed: () => this.#tellPids(),
    });
    return slot;
  }

  #hear(slot: Slot, message: ProcessMessage): void {
    if (message.kind === 'held') this.owners.note(slot, message.partition, message.token);
    if (message.kind === 'progress') this.#stored.set(slot, message.stored);
    if (message.kind === 'done') this.#done.add(slot);
    if (message.kind === 'failed') this.failure ??= message;
  }

  #tellPids(): void {
    const pids = this.slots.filter(({ isRunning }) => isRunning).map(({ pid }) => pid);
    for (const publisher of this.publishers) tell(publisher, { kind: 'processes', pids });
  }
}

function tell(publisher: Slot, order: PublisherOrder): void {
  publisher.tell(order);
}

type Without<S> = Omit<S, 'server' | 'tlsName' | 'journal' | 'bound'>;

function replicaSetup({ settings, released, access, copies, handlers }: CrewOptions): Without<ReplicaSetup> {
  const { topic, group, partitions, seed } = settings;
  return {
    ...{ role: 'replica', topic, group, partitions, seed, access, copies, released },
    leaseTtlMs: LEASE_TTL_MS,
    waitScale: waitScaleOf({ eventsPerSecond: paceOf(settings), aggregates: settings.aggregates }),
    handlers: handlers?.file,
    handledTopic: handlers?.topic,
  };
}

function paceOf({ events, seconds }: VerifySettings): number {
  return events / (seconds * LOAD_SHARE);
}

/** Each aggregate has one publisher: between two of them no order is promised. */
function publisherSetup(
  { settings, access, copies, handlers }: CrewOptions,
  index: number,
): Without<PublisherSetup> {
  const { topic, seed, events, aggregates } = settings;
  const isOwn = (_: unknown, place: number): boolean => place % PUBLISHERS === index;
  return {
    ...{ role: 'publisher', topic, seed: seed + index, access, copies, handlers: handlers?.file },
    aggregateIds: aggregateIds(aggregates).filter(isOwn),
    events: Math.floor(events / PUBLISHERS) + (index < events % PUBLISHERS ? 1 : 0),
    eventsPerSecond: paceOf(settings) / PUBLISHERS,
  };
}
