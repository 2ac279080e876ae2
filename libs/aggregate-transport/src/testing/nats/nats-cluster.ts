import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { AggregateTransportError } from '../../errors.js';
import { silentLog } from '../../log.js';
import { systemClock } from '../../clock.js';
import { openPort } from '../../stream/connection/dial.js';
import type { NatsPort } from '../../stream/port/nats-port.js';
import { reasonOf } from './nats-download.js';
import { freePorts } from './nats-process.js';
import { startNatsServer, type NatsServer } from './nats-server.js';

/** Several nats-servers that replicate JetStream among themselves. */
export interface NatsCluster {
  /** Each can be stopped, killed and frozen by itself. */
  readonly servers: readonly NatsServer[];
  /** The url of each server, in the order of `servers`. */
  readonly urls: readonly string[];
  /** Stops every server and removes the stores; it may be called again. */
  stop(): Promise<void>;
}

const META_LEADER_WITHIN_MS = 30_000;
const REQUEST_WITHIN_MS = 1_000;
const ASK_EVERY_MS = 50;

/**
 * Starts a cluster on 127.0.0.1 and waits until JetStream answers through every one of its servers. It is always
 * our own, also when `NATS_URL` is set.
 *
 * @param size The number of servers, at least 2. Default: 3.
 * @param version A minor version such as `2.10`, or a full one. Default: any that is at hand.
 * @param config Text for the configuration file of each server, as for `startNatsServer`; it cannot change the
 *   cluster itself. Default: none.
 * @throws AggregateTransportError `NATS_SERVER_UNAVAILABLE` if a server does not come up, or if there is no
 *   JetStream meta leader within 30 s. No server is left behind then.
 */
export async function startNatsCluster(size = 3, version?: string, config = ''): Promise<NatsCluster> {
  if (!Number.isInteger(size) || size < 2) {
    const message = `expected a cluster of at least 2 servers, found ${size}. For one, use startNatsServer().`;
    throw new AggregateTransportError('NATS_SERVER_UNAVAILABLE', message);
  }
  const ports = await freePorts(2 * size);
  const routePorts = ports.slice(size);
  const name = `test-${randomBytes(6).toString('hex')}`;
  const routes = routePorts.map((port) => `nats://127.0.0.1:${port}`).join(', ');
  const starts = await Promise.allSettled(
    ports.slice(0, size).map((port, index) => {
      const listen = `127.0.0.1:${routePorts[index] ?? 0}`;
      return startNatsServer({
        ...(version === undefined ? {} : { version }),
        port,
        config: `cluster { name: ${name}, listen: "${listen}", routes: [${routes}] }\n${config}`,
      });
    }),
  );
  const servers = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    for (const start of starts) if (start.status === 'rejected') throw start.reason;
    await Promise.all(servers.map(untilMetaLeader));
  } catch (error) {
    await stop();
    throw error;
  }
  return { servers, urls: servers.map(({ url }) => url), stop };
}

/** Only a meta leader answers this request, so an answer through a server proves that it is in touch with one. */
async function untilMetaLeader({ url }: NatsServer): Promise<void> {
  const deadline = Date.now() + META_LEADER_WITHIN_MS;
  const call = {
    name: 'meta leader',
    log: silentLog,
    random: Math.random,
    mayWait: false,
    clock: systemClock,
  };
  const connection = await openPort({ servers: url }, call);
  try {
    for (;;) {
      const found = await jetStreamError(connection);
      if (found === undefined) return;
      if (Date.now() > deadline) {
        const message = `expected a JetStream meta leader at ${url} within ${META_LEADER_WITHIN_MS} ms, found: ${found}`;
        const remedy = 'Look at the logs of the servers, or give the machine more time.';
        throw new AggregateTransportError('NATS_SERVER_UNAVAILABLE', `${message}. ${remedy}`);
      }
      await delay(ASK_EVERY_MS);
    }
  } finally {
    await connection.close();
  }
}

async function jetStreamError(connection: NatsPort): Promise<string | undefined> {
  try {
    const answer = await connection.request('$JS.API.INFO', '', { timeoutMs: REQUEST_WITHIN_MS });
    return (answer.json() as { error?: { description: string } }).error?.description;
  } catch (error) {
    return reasonOf(error);
  }
}
