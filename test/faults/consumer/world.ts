import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as scheduled } from 'node:timers/promises';
import { type NatsServer, startNatsCluster, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { Child } from '../harness/child.js';
import { Fleet } from './fleet.js';
import { Journal, type ParentLine } from '../harness/journal.js';
import { Load } from './load.js';
import { SABOTAGE_VARIABLE } from '../harness/test-build.js';
import { CONSUMERS, type ConsumerSetup, type EffectStoreSetup } from './scenario.js';
import { SYSTEM_USER, Tap } from './tap.js';

export interface WorldOptions {
  readonly seed: number;
  readonly serverVersion: string;
  readonly processes: number;
  /** Leaves the places of the processes empty at first. */
  readonly isIdle?: boolean;
  readonly fenced: boolean;
  readonly keys: number;
  readonly eventsPerSecond: number;
  readonly sabotage?: string | undefined;
  readonly consumers?: Partial<ConsumerSetup>;
  /** What the processes are configured with instead, by turns. */
  readonly variants?: readonly Partial<ConsumerSetup>[] | undefined;
  /** Of the events, on top of what is asked for. */
  readonly failureShare?: number;
  /** Three servers in place of one, and three copies of everything. */
  readonly cluster?: boolean;
}

const CLUSTER_SIZE = 3;

/** The meta leader obeys the system account alone; all others come without a name and share an account. */
const CLUSTER_ACCOUNTS = `
accounts {
  SYS: { users: [{ user: "${SYSTEM_USER}", password: "${SYSTEM_USER}" }] }
  FAULTS: { jetstream: enabled, users: [{ user: "faults", password: "faults" }] }
}
system_account: SYS
no_auth_user: faults
`;

const LOOK_EVERY_MS = 50;
/** Of the time without a change: however much still changes, the wait ends. */
const LONGEST_QUIET = 6;

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
  private constructor(readonly parts: WorldParts) {}

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
      ? (await startNatsCluster(CLUSTER_SIZE, options.serverVersion, CLUSTER_ACCOUNTS)).servers
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
      failureShare: options.failureShare ?? 0.01,
      journal,
    });
    const natsPorts = servers.map(({ port }) => port);
    // Before the first process: claims that are not heard cannot be judged.
    const tap = await Tap.open(
      servers.map(({ url }) => url),
      journal,
    );
    const { variants } = options;
    const shared = { natsPorts, folder, effectSocket, onceFolder, consumers, journal, sabotage, variants };
    const fleet = await Fleet.start({ ...shared, size: processes, isIdle: options.isIdle === true });
    return new World({ folder, consumers, server, servers, effects, journal, fleet, load, tap });
  }

  /**
   * Waits until every event is handled and settled; true if it is. Gives up when for `ms` no position was written and
   * no letter went: a busy machine that still works through its backlog has lost nothing.
   */
  async isQuietWithin(ms: number): Promise<boolean> {
    const { tap } = this.parts;
    const end = performance.now() + LONGEST_QUIET * ms;
    let until = performance.now() + ms;
    let seen = '';
    while (performance.now() < Math.min(until, end)) {
      const letters = await tap.letters();
      // The events of a diverted lane are settled as letters, and handled later.
      if (letters === 0 && (await tap.positions.isSettled())) return true;
      const now = `${tap.writes} ${letters}`;
      if (now !== seen) until = performance.now() + ms;
      seen = now;
      await scheduled(LOOK_EVERY_MS);
    }
    return false;
  }

  async close(): Promise<void> {
    const { fleet, load, tap, effects, servers, journal } = this.parts;
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
