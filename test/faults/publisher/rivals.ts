import { setTimeout as scheduled } from 'node:timers/promises';
import type { INestApplication } from '@nestjs/common';
import {
  type AggregatePublisher,
  type AggregateTransportError,
  SequenceConflictError,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { between, randomFor } from '../harness/random.js';
import { readStream } from '../harness/read-stream.js';
import { TOPIC } from '../consumer/scenario.js';
import { Servers } from './servers.js';

// Two services write to one aggregate and rely on expectedSequence alone, while their connections are cut and their
// answers are lost. Judged by the stream: it must be one chain in which each event expects the one before it.

export interface RivalOptions {
  readonly serverVersion: string;
  readonly replicas: 1 | 3;
  readonly seed: number;
  /** They write until so many faults have hit them. */
  readonly faults: number;
}

export interface RivalResult {
  readonly findings: readonly string[];
  readonly stored: number;
  readonly conflicts: number;
  /** Times that a rival published the same event again because its outcome was unknown. */
  readonly again: number;
}

interface Payload {
  readonly id: string;
  readonly expected: number;
}

const AGGREGATE = 'contested';
/** Longer than the wait for an answer, so that copies leave; shorter than what notices a dead connection. */
const DEAF_MS = 2_400;
const PAUSE_MS = [150, 500] as const;
/** Between two events of a rival, so that the other one gets its turn. */
const BREATH_MS = 2;
const PURPOSE = 14;

class Rival {
  readonly findings: string[] = [];
  readonly receipts = new Map<string, number>();
  readonly conflicts = new Set<string>();
  again = 0;

  private constructor(
    readonly name: string,
    readonly proxies: readonly TcpProxy[],
    private readonly app: INestApplication,
  ) {}

  static async open(name: string, servers: Servers, replicas: 1 | 3): Promise<Rival> {
    const proxies: TcpProxy[] = [];
    for (const { port } of servers.nodes) proxies.push(await TcpProxy.listen(port));
    const app = await startApp({
      options: {
        servers: proxies.map(({ url }) => url),
        connection: { ignoreClusterUpdates: true },
        topics: { [TOPIC]: {} },
        stream: { replicas, duplicateWindowMs: 18_000 },
        publish: { giveUpAfterMs: 2_000 },
      },
      publishers: [TOPIC],
    });
    return new Rival(name, proxies, app);
  }

  async write(isOver: () => boolean): Promise<void> {
    const publisher = publisherOf(this.app, TOPIC);
    let expected = 0;
    for (let n = 1; !isOver(); n++) {
      const outcome = await this.#insist(publisher, { id: `${this.name}-${n}`, expected });
      if (outcome !== undefined) expected = outcome;
      await scheduled(BREATH_MS);
    }
  }

  async close(): Promise<void> {
    await this.app.close();
    for (const proxy of this.proxies) await proxy.close();
  }

  /** Publishes the same event until its outcome is known. Resolves with the aggregate's last sequence. */
  async #insist(publisher: AggregatePublisher, payload: Payload): Promise<number | undefined> {
    const { id, expected } = payload;
    const event = {
      aggregateId: AGGREGATE,
      type: 'Claimed',
      eventId: id,
      payload,
      expectedSequence: expected,
    };
    for (;;) {
      try {
        const { sequence } = await publisher.publish(event);
        this.receipts.set(id, sequence);
        return sequence;
      } catch (error) {
        if (error instanceof SequenceConflictError) return this.#conflicted(payload, error);
        const { code } = error as AggregateTransportError;
        if (code !== 'OUTCOME_UNKNOWN' && code !== 'PREDECESSOR_UNKNOWN') throw error;
        this.again++;
        await scheduled(20);
      }
    }
  }

  #conflicted({ id, expected }: Payload, error: SequenceConflictError): number {
    this.conflicts.add(id);
    if (error.expectedSequence !== expected || error.actualSequence <= expected) {
      this.findings.push(
        `${id}: expected ${expected}, its conflict names ${error.expectedSequence} and ${error.actualSequence}`,
      );
    }
    return error.actualSequence;
  }
}

/** One contest, from the start of its servers to the verdict. */
export async function runRivals(options: RivalOptions): Promise<RivalResult> {
  const { serverVersion, replicas } = options;
  const servers = await Servers.start(serverVersion, replicas);
  const rivals: Rival[] = [];
  try {
    for (const name of ['red', 'blue']) rivals.push(await Rival.open(name, servers, replicas));
    let isOver = false;
    const written = Promise.all(rivals.map((rival) => rival.write(() => isOver)));
    await Promise.race([harass(rivals, servers, options), written]);
    isOver = true;
    await written;
    const stored = await readChain(servers.urls[0]!);
    return {
      findings: [...rivals.flatMap((rival) => rival.findings), ...judgeChain(stored, rivals)],
      stored: stored.length,
      conflicts: rivals.reduce((sum, { conflicts }) => sum + conflicts.size, 0),
      again: rivals.reduce((sum, { again }) => sum + again, 0),
    };
  } finally {
    for (const rival of rivals) await rival.close();
    await servers.stop();
  }
}

/** Breaks one rival's connection, then the other's, and so on. */
async function harass(rivals: readonly Rival[], servers: Servers, options: RivalOptions): Promise<void> {
  const { seed, replicas, faults } = options;
  const random = randomFor(seed, PURPOSE);
  for (let count = 0; count < faults; count++) {
    const { proxies } = rivals[count % rivals.length]!;
    // Every third one loses answers, so that every contest has some.
    if (count % 3 === 2) {
      for (const proxy of proxies) proxy.blackhole('s2c');
      await scheduled(DEAF_MS);
      for (const proxy of proxies) proxy.heal();
    } else if (replicas > 1 && random() < 0.5) {
      await servers.stepDown();
    } else {
      for (const proxy of proxies) proxy.cut();
    }
    await scheduled(between(random, ...PAUSE_MS));
  }
}

interface Link extends Payload {
  readonly seq: number;
}

function readChain(url: string): Promise<Link[]> {
  return readStream(url, TOPIC, (message) => ({
    ...message.json<{ payload: Payload }>().payload,
    seq: message.seq,
  }));
}

/** What is wrong with what the stream holds. */
export function judgeChain(
  links: readonly Link[],
  rivals: readonly Pick<Rival, 'receipts' | 'conflicts'>[],
): string[] {
  const findings: string[] = [];
  const seen = new Map<string, number>();
  let last = 0;
  for (const { id, expected, seq } of links) {
    if (expected !== last) findings.push(`${id} at ${seq} expected ${expected}, and ${last} is before it`);
    if (seen.has(id)) findings.push(`${id} is stored at ${seen.get(id) ?? 0} and again at ${seq}`);
    seen.set(id, seq);
    last = seq;
  }
  for (const { receipts, conflicts } of rivals) {
    for (const [id, seq] of receipts) {
      if (seen.get(id) !== seq)
        findings.push(`${id} has a receipt for ${seq}, stored at ${seen.get(id) ?? 'none'}`);
    }
    for (const id of conflicts) {
      if (seen.has(id)) findings.push(`${id} was told a conflict and is stored at ${seen.get(id) ?? 0}`);
    }
  }
  return findings;
}
