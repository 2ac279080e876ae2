import { setTimeout as scheduled } from 'node:timers/promises';
import { connect, type NatsConnection } from 'nats';
import { type NatsServer, startNatsCluster, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { TOPIC } from '../consumer/scenario.js';

const RECONNECT_AFTER_MS = 20;
const TRY_AGAIN_AFTER_MS = 50;
const REQUEST_WITHIN_MS = 1_000;
const CHANGE_WITHIN_MS = 20_000;

const MAX_MESSAGES = 1_000_000;
/**
 * A replicated stream is filled up with events without a use, and purged of them. Both go through its log, so all
 * replicas see them at the same place. A changed limit does not.
 */
export const MAX_REPLICATED_MESSAGES = 6_000;
const FILLER = `${TOPIC}.f.f.f.f.f.f.f.f.filler`;
const FILLED_AFTER_MS = 300;

export interface StreamPatch {
  readonly subjects?: readonly string[];
  readonly max_msgs?: number;
  readonly max_msg_size?: number;
}

interface StreamInfo {
  readonly config: Record<string, unknown>;
  readonly state: { readonly messages: number; readonly last_seq: number };
  readonly cluster?: { readonly leader?: string };
}

/** One server, or a cluster of three, and an administrator's connection past all proxies. */
export class Servers {
  private constructor(
    readonly nodes: readonly NatsServer[],
    private readonly admin: NatsConnection,
    private readonly stopNodes: () => Promise<void>,
  ) {}

  static async start(version: string, replicas: 1 | 3): Promise<Servers> {
    const nodes: NatsServer[] = [];
    let stop: () => Promise<void>;
    if (replicas === 1) {
      // Naming a configuration asks for a server of our own, even where NATS_URL names another.
      const server = await startNatsServer({ version, config: '' });
      nodes.push(server);
      stop = () => server.stop();
    } else {
      const cluster = await startNatsCluster(replicas, version);
      nodes.push(...cluster.servers);
      stop = () => cluster.stop();
    }
    const admin = await connect({
      servers: nodes.map(({ url }) => url),
      timeout: 3_000,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_AFTER_MS,
      reconnectJitter: 0,
      pingInterval: 1_000,
      maxPingOut: 1,
    });
    return new Servers(nodes, admin, stop);
  }

  get version(): string {
    return this.nodes[0]!.version;
  }

  get urls(): string[] {
    return this.nodes.map(({ url }) => url);
  }

  /** Asks until there is an answer without an error. */
  async info(): Promise<StreamInfo> {
    return this.#insist(`STREAM.INFO.${TOPIC}`, () => '');
  }

  /** Changes the stream as an administrator does, and insists on it. */
  async update(patch: (info: StreamInfo) => StreamPatch): Promise<void> {
    const info = await this.info();
    const config = JSON.stringify({ ...info.config, ...patch(info) });
    await this.#insist(`STREAM.UPDATE.${TOPIC}`, () => config);
  }

  /** Nothing more fits into the stream. */
  async fill(): Promise<void> {
    if (this.nodes.length === 1) {
      await this.update(({ state }) => ({ max_msgs: Math.max(1, state.messages) }));
      return;
    }
    const { messages } = (await this.info()).state;
    for (let free = MAX_REPLICATED_MESSAGES - messages; free > 0; free--) this.admin.publish(FILLER);
    await this.admin.flush();
    await scheduled(FILLED_AFTER_MS);
  }

  /** There is room again. */
  async free(): Promise<void> {
    if (this.nodes.length === 1) await this.update(() => ({ max_msgs: MAX_MESSAGES }));
    else await this.#insist(`STREAM.PURGE.${TOPIC}`, () => JSON.stringify({ filter: FILLER }));
  }

  /** Asks the stream's leader to step down; whether it did. */
  async stepDown(): Promise<boolean> {
    try {
      const answer = await this.admin.request(`$JS.API.STREAM.LEADER.STEPDOWN.${TOPIC}`, '', {
        timeout: REQUEST_WITHIN_MS,
      });
      return answer.json<{ success?: boolean }>().success === true;
    } catch {
      return false;
    }
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) node.resume();
    await this.admin.close();
    await this.stopNodes();
  }

  async #insist<T extends object>(call: string, body: () => string): Promise<T> {
    const until = performance.now() + CHANGE_WITHIN_MS;
    let found = 'no answer';
    while (performance.now() < until) {
      try {
        const answer = await this.admin.request(`$JS.API.${call}`, body(), { timeout: REQUEST_WITHIN_MS });
        const read = answer.json<T & { error?: { description: string } }>();
        if (read.error === undefined) return read;
        found = read.error.description;
      } catch (error) {
        found = String(error);
      }
      await scheduled(TRY_AGAIN_AFTER_MS);
    }
    throw new Error(`expected an answer to ${call} within ${CHANGE_WITHIN_MS} ms, found ${found}`);
  }
}
