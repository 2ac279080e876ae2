import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as scheduled } from 'node:timers/promises';
import { type NatsServer, startNatsCluster, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { Child } from '../harness/child.js';
import { Fleet } from './fleet.js';
import { Journal, type ParentLine } from '../harness/journal.js';
import { Load } from './load.js';
import { CONSUMERS, type ConsumerSetup, type EffectStoreSetup, SABOTAGE_VARIABLE } from './scenario.js';
import { Tap } from './tap.js';

export interface WorldOptions {
  readonly seed: number;
  readonly serverVersion: string;
  readonly processes: number;
  readonly fenced: boolean;
  readonly keys: number;
  readonly eventsPerSecond: number;
  readonly sabotage?: string | undefined;
  readonly consumers?: Partial<ConsumerSetup>;
  /** Three servers in place of one, and three copies of everything. */
  readonly cluster?: boolean;
}

const CLUSTER_SIZE = 3;

const SAMPLE_EVERY_MS = 250;
const LOOK_EVERY_MS = 50;

interface WorldParts {
  readonly folder: string;
  readonly consumers: ConsumerSetup;
  readonly server: NatsServer;
  /** All of the cluster; just the one without. */
  readonly servers: readonly NatsServer[];
  readonly effects: Child;
  readonly journal: Journal<ParentLine>;
  readonly fleet: Fleet;
  readonly load: Load;
  readonly tap: Tap;
}

/** A server, the replicas of one service, the service that publishes, the database behind, and the tap. */
export class World {
  readonly #sampler: NodeJS.Timeout;

  private constructor(readonly parts: WorldParts) {
    this.#sampler = setInterval(() => void this.#sample(), SAMPLE_EVERY_MS);
  }

  static async open(options: WorldOptions): Promise<World> {
    const { seed, processes, fenced, keys, eventsPerSecond, sabotage } = options;
    const folder = mkdtempSync(join(tmpdir(), `faults-${seed}-`));
    const isCluster = options.cluster === true;
    const consumers = { ...CONSUMERS, replicas: isCluster ? CLUSTER_SIZE : 1, ...options.consumers };
    // The publisher runs in this process.
    process.env[SABOTAGE_VARIABLE] = sabotage ?? '';
    const onceFolder = join(folder, 'once');
    mkdirSync(onceFolder);
    const effectSocket = join(folder, 'effects.sock');
    // Naming a configuration asks for a server of our own, even where NATS_URL names another.
    const servers = isCluster
      ? (await startNatsCluster(CLUSTER_SIZE)).servers
      : [await startNatsServer({ version: options.serverVersion, config: '' })];
    const server = servers[0]!;
    const journal = new Journal<ParentLine>(join(folder, 'parent.jsonl'));
    const effects = await startEffects(folder, { socket: effectSocket, fenced });
    const load = await Load.open({
      natsPort: servers.at(-1)!.port,
      replicas: consumers.replicas,
      seed,
      keys,
      eventsPerSecond,
      failureShare: 0.01,
      journal,
    });
    const natsPorts = servers.map(({ port }) => port);
    const shared = { natsPorts, folder, effectSocket, onceFolder, consumers, journal, sabotage };
    const fleet = await Fleet.start({ ...shared, size: processes });
    const tap = await Tap.open(
      servers.map(({ url }) => url),
      consumers,
      journal,
    );
    return new World({ folder, consumers, server, servers, effects, journal, fleet, load, tap });
  }

  /** Waits until every event is handled and settled, or until the time is over; true if it is. */
  async isQuietWithin(ms: number): Promise<boolean> {
    const until = performance.now() + ms;
    while (performance.now() < until) {
      const counts = await Promise.all(
        this.#partitions().map((partition) => this.parts.tap.counts(partition)),
      );
      const isSettled = counts.every((count) => count?.num_pending === 0 && count.num_ack_pending === 0);
      // A lane that was diverted is worked off as letters.
      if (isSettled && (await this.parts.tap.letters()) === 0) return true;
      await scheduled(LOOK_EVERY_MS);
    }
    return false;
  }

  async close(): Promise<void> {
    const { fleet, load, tap, effects, servers, journal } = this.parts;
    clearInterval(this.#sampler);
    await fleet.close();
    await load.close();
    await tap.close();
    await effects.end();
    await Promise.all(servers.map((server) => server.stop()));
    journal.close();
  }

  /** Removes all journals. */
  forget(): void {
    rmSync(this.parts.folder, { recursive: true, force: true });
  }

  #partitions(): number[] {
    return Array.from({ length: this.parts.consumers.partitions }, (_, partition) => partition);
  }

  async #sample(): Promise<void> {
    for (const partition of this.#partitions()) {
      const counts = await this.parts.tap.counts(partition);
      if (counts === undefined) continue;
      const { num_ack_pending: ackPending, num_pending: pending } = counts;
      this.parts.journal.write({ what: 'sample', partition, ackPending, pending });
    }
  }
}

async function startEffects(
  folder: string,
  { socket, fenced }: Pick<EffectStoreSetup, 'socket' | 'fenced'>,
): Promise<Child> {
  const setup: EffectStoreSetup = { socket, fenced, journal: join(folder, 'effects.jsonl') };
  const env = { FAULT_EFFECTS: JSON.stringify(setup) };
  const child = new Child('consumer/effect-store.js', { env, errors: join(folder, 'effects.err') });
  await new Promise<void>((resolve) => child.onMessage(() => resolve()));
  return child;
}
