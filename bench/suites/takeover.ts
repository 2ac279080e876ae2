import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createInbox } from 'nats';
import type { GroupRecord } from '#library/records/group-record.js';
import type { LeaseRecord } from '#library/records/lease-record.js';
import type { PartitionAddress } from '#library/records/partition-address.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { groupPlace, type KeyPlace, leasePlace, positionPlace } from '#library/stream/keys/key-places.js';
import { TcpProxy } from '../../test/support/tcp-proxy.js';
import { makeTopic } from '../backlog.js';
import { Worker } from '../child.js';
import { Door } from '../contenders/door.js';
import type { Goal } from '../goal.js';
import { type JournalEntry, journalLength, nowMs, readJournal } from '../journal.js';
import { pacedUntilStopped } from '../paced.js';
import type { Sample } from '../section.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor, rawMessage } from '../workload.js';

const STREAM = { maxMessages: 10_000_000, maxBytes: 8 * 2 ** 30 };
const AGGREGATES = 1_000;
const WORKER = './takeover-worker.js';
const LOOK_EVERY_MS = 1;
const WITHIN_MS = 30_000;

/** Events settled above the one whose handler does not end. */
const SETTLED = 3_000_000;
const HANDLED_WITHIN_MS = 240_000;
const NEW_EVERY_MS = 1;

const CUTS = 20;
const CUT_EVENTS_PER_SECOND = 2_000;
const BEFORE_CUT_MS = 500;
const AFTER_CUT_MS = 500;

/** The shortest there is. */
const TTL_MS = 1_000;
const DEFAULT_TTL_MS = 3_000;
const KILLS = 6;
const SLOW_PER_SECOND = 500;
const FAST_PER_SECOND = 20_000;
const MAX_UNANSWERED = 4_000;
const AT_REST_MS = 700;
const TWO_BATCHES = 1_000;

const HUNG = 'below a hung event';
const CUT = 'a cut connection';
const SLOW = `${SLOW_PER_SECOND} events/s`;
const FAST = `${FAST_PER_SECOND} events/s`;

const goals: Goal[] = [
  {
    text: 'takeover below a hung event, 3 000 000 settled above it: next new event, ms',
    section: 'hung',
    contender: HUNG,
    metric: 'next',
    atMost: 200,
  },
  {
    text: 'connection cut: next event, ms',
    section: 'reconnect',
    contender: CUT,
    metric: 'next',
    atMost: 50,
  },
  {
    text: 'connection cut: events handled again',
    section: 'reconnect',
    contender: CUT,
    metric: 'repeats',
    of: 'worst',
    atMost: 0,
  },
  {
    text: 'owner killed: next event, ms beyond the lease’s ttl',
    section: 'killed',
    contender: SLOW,
    metric: 'beyondTtl',
    of: 'worst',
    atMost: 300,
  },
  {
    text: 'owner killed at 20 000 events/s: events handled again',
    section: 'killed',
    contender: FAST,
    metric: 'repeats',
    of: 'worst',
    atMost: TWO_BATCHES,
  },
  ...[SLOW, FAST].map((contender): Goal => ({
    text: `owner killed, ${contender}: events never handled`,
    section: 'killed',
    contender,
    metric: 'lost',
    of: 'worst',
    atMost: 0,
  })),
];

async function until(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  withinMs = WITHIN_MS,
): Promise<void> {
  const endsAt = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > endsAt) throw new Error(`expected ${what} within ${withinMs} ms, found none`);
    await delay(LOOK_EVERY_MS);
  }
}

function addressOf(topic: string, group: string): PartitionAddress {
  return { topic, group, layout: 0, partitions: 1, partition: 0 };
}

/** The value of a key. */
async function valueOf<T>(streams: Streams, { stream, subject }: KeyPlace): Promise<T> {
  return (await streams.read(stream, subject)).json<T>();
}

async function put(streams: Streams, { subject }: KeyPlace, value: unknown): Promise<void> {
  const answer = await streams.nats.request(subject, JSON.stringify(value), { timeout: 5_000 });
  const { error } = answer.json<{ error?: { description: string } }>();
  if (error !== undefined) throw new Error(`${subject}: ${error.description}`);
}

/**
 * Each run: a group that stands where one stood whose owner has died, and a process that takes it over. The records are
 * copies of those of a real group, so that three million events are handled only once.
 */
async function compareHung(bench: Bench, streams: Streams): Promise<void> {
  const topic = 'hung';
  const { url } = bench.server;
  const events = bench.scaled(SETTLED, 1_000) + 1;
  await makeTopic(url, topic, STREAM);
  await streams.fill(topic, events, (index) =>
    rawMessage(topic, index === 0 ? 'hung' : `a${index % AGGREGATES}`, {}),
  );
  const model = addressOf(topic, 'model');
  const owner = new Worker(WORKER, [url, topic, model.group, String(DEFAULT_TTL_MS)]);
  await owner.hear('ready');
  await until(
    async () => {
      const record = await valueOf<PositionRecord>(streams, positionPlace(model)).catch(() => undefined);
      return record?.high === events;
    },
    `${events - 1} settled events`,
    HANDLED_WITHIN_MS,
  );
  await owner.kill();
  const left = {
    group: await valueOf<GroupRecord>(streams, groupPlace(topic, model.group)),
    position: await valueOf<PositionRecord>(streams, positionPlace(model)),
    lease: await valueOf<LeaseRecord>(streams, leasePlace(model)),
  };
  let runs = 0;
  await bench.compare({
    id: 'hung',
    title: `takeover of a partition with ${events - 1} settled events above one that never ends`,
    metrics: [
      { key: 'next', unit: 'ms from the lease to the next new event', better: 'less' },
      { key: 'start', unit: 'ms from the start of the process’s group', better: 'less' },
    ],
    baseline: HUNG,
    contenders: [
      {
        name: HUNG,
        run: async () => {
          const address = addressOf(topic, `copy-${++runs}`);
          await put(streams, groupPlace(topic, address.group), left.group);
          await put(streams, positionPlace(address), left.position);
          await put(streams, leasePlace(address), { ...left.lease, released: true });
          return takeOver(url, streams, address);
        },
      },
    ],
    notes: [`Unsettled, as the record says it: "${left.position.unsettled}".`],
  });
  await streams.remove(topic);
}

/** From the lease to the first event that was published after it. */
async function takeOver(url: string, streams: Streams, { topic, group }: PartitionAddress): Promise<Sample> {
  const last = await streams.lastSequence(topic);
  let end: () => void = () => undefined;
  const ended = new Promise<undefined>((resolve) => (end = () => resolve(undefined)));
  let handledAt = 0;
  const startedAt = performance.now();
  const door = await Door.open({ ...optionsFor(url, [topic]), group }, topic, ({ sequence }) => {
    if (sequence === 1) return ended;
    if (sequence > last && handledAt === 0) handledAt = performance.now();
    return undefined;
  });
  await until(() => door.partitions[0]?.lease.mode === 'held', 'a lease');
  const heldAt = performance.now();
  let published = 0;
  const timer = setInterval(() => {
    const { subject, body } = rawMessage(topic, `new-${published++}`, {});
    streams.nats.publish(subject, body);
  }, NEW_EVERY_MS);
  try {
    await until(() => handledAt > 0, 'a new event');
  } finally {
    clearInterval(timer);
    end();
    await door.close();
  }
  return { next: handledAt - heldAt, start: handledAt - startedAt };
}

/** Publishes at a steady rate until it is stopped; then all is stored. */
function publishing(streams: Streams, topic: string, perSecond: number): () => Promise<number> {
  const { nats } = streams;
  const inbox = createInbox();
  let stored = 0;
  const answers = nats.subscribe(inbox, { callback: () => stored++ });
  // The server silently drops what is above its own queue of 10 000.
  const hasRoom = (sent: number): boolean => sent - stored < MAX_UNANSWERED;
  const stop = pacedUntilStopped(perSecond, hasRoom, (index) => {
    const { subject, body } = rawMessage(topic, `a${index % AGGREGATES}`, {});
    nats.publish(subject, body, { reply: inbox });
  });
  return async () => {
    const sent = stop();
    await until(() => stored >= sent, 'answers to all publishes');
    answers.unsubscribe();
    return sent;
  };
}

function repeatsIn(entries: readonly JournalEntry[]): number {
  return entries.length - new Set(entries.map(({ sequence }) => sequence)).size;
}

/** One worker behind a proxy that cuts its connections again and again. */
async function compareReconnect(bench: Bench, streams: Streams, folder: string): Promise<void> {
  const topic = 'cut';
  const path = join(folder, topic);
  let acceptedAt = 0;
  const proxy = await TcpProxy.listen(bench.server.port, {
    opened: () => (acceptedAt ||= nowMs()),
    fromClient: () => undefined,
    toClient: () => undefined,
  });
  await makeTopic(bench.server.url, topic, STREAM);
  const worker = new Worker(WORKER, [proxy.url, topic, 'g', String(DEFAULT_TTL_MS), path]);
  await worker.hear('ready');
  await until(() => isOwner(worker), 'an owner');
  const stop = publishing(streams, topic, CUT_EVENTS_PER_SECOND);
  const cuts = bench.scaled(CUTS, 3);
  try {
    await bench.compare({
      id: 'reconnect',
      title: `all connections of an owner are cut at ${CUT_EVENTS_PER_SECOND} events/s`,
      metrics: [
        { key: 'next', unit: 'ms from the cut to the next event', better: 'less' },
        { key: 'back', unit: 'ms from the new connection', better: 'less' },
        { key: 'repeats', unit: 'handled again', better: 'less' },
      ],
      baseline: CUT,
      rounds: cuts,
      contenders: [
        {
          name: CUT,
          run: async () => {
            await delay(BEFORE_CUT_MS);
            acceptedAt = 0;
            const cutAt = nowMs();
            proxy.cut();
            await delay(AFTER_CUT_MS);
            await until(() => acceptedAt > 0, 'a new connection');
            const isNext = ({ at }: JournalEntry): boolean => at > acceptedAt;
            await until(() => readJournal(path).some(isNext), 'an event after the cut');
            const entries = readJournal(path);
            const next = entries.find(isNext)?.at ?? Number.NaN;
            return { next: next - cutAt, back: next - acceptedAt, repeats: repeatsIn(entries) };
          },
        },
      ],
      notes: ['Events handled again are counted over all cuts so far.'],
    });
  } finally {
    await stop();
    await worker.stop();
    await proxy.close();
    await streams.remove(topic);
  }
}

async function isOwner(worker: Worker): Promise<boolean> {
  worker.tell({ kind: 'tell' });
  return (await worker.hear('told'))['isOwner'] === true;
}

interface Replica {
  readonly worker: Worker;
  readonly path: string;
}

/** Two replicas of a group with one partition. The owner is killed, another replica joins. */
class Pair {
  readonly #replicas: Replica[] = [];
  #journals = 0;

  constructor(
    private readonly url: string,
    private readonly topic: string,
    private readonly folder: string,
  ) {}

  async join(): Promise<void> {
    const path = join(this.folder, `${this.topic}-${++this.#journals}`);
    const worker = new Worker(WORKER, [this.url, this.topic, 'g', String(TTL_MS), path]);
    await worker.hear('ready');
    this.#replicas.push({ worker, path });
  }

  /** The owner and the other one, when the partition has not moved for a while. */
  async atRest(): Promise<{ owner: Replica; standby: Replica }> {
    let owner: Replica | undefined;
    let since = performance.now();
    await until(async () => {
      const owning = await Promise.all(this.#replicas.map(({ worker }) => isOwner(worker)));
      const now = this.#replicas[owning.indexOf(true)];
      if (now !== owner) since = performance.now();
      owner = now;
      return owner !== undefined && performance.now() - since >= AT_REST_MS;
    }, 'an owner at rest');
    return { owner: owner!, standby: this.#replicas.find((one) => one !== owner)! };
  }

  async kill(replica: Replica): Promise<void> {
    await replica.worker.kill();
    this.#replicas.splice(this.#replicas.indexOf(replica), 1);
  }

  /** All that any replica has ever handled. */
  handled(): Set<number> {
    const handled = new Set<number>();
    for (let index = 1; index <= this.#journals; index++)
      for (const { sequence } of readJournal(join(this.folder, `${this.topic}-${index}`)))
        handled.add(sequence);
    return handled;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#replicas.map(({ worker }) => worker.stop()));
  }
}

/** Kills the owner under load, and waits until its successor has caught up. */
async function killOwner(pair: Pair, streams: Streams, topic: string): Promise<Sample> {
  const { owner, standby } = await pair.atRest();
  const before = journalLength(standby.path);
  const killedAt = nowMs();
  await pair.kill(owner);
  await until(() => journalLength(standby.path) > before, 'an event of the successor');
  const first = readJournal(standby.path)[before];
  const last = await streams.lastSequence(topic);
  await until(async () => {
    await delay(50);
    return (readJournal(standby.path).at(-1)?.sequence ?? 0) >= last;
  }, 'a successor that has caught up');
  const handledBefore = new Set(readJournal(owner.path).map(({ sequence }) => sequence));
  const repeats = readJournal(standby.path)
    .slice(before)
    .filter(({ sequence }) => handledBefore.has(sequence)).length;
  const next = (first?.at ?? Number.NaN) - killedAt;
  await pair.join();
  return { beyondTtl: next - TTL_MS, next, repeats };
}

async function compareKilled(bench: Bench, streams: Streams, folder: string): Promise<void> {
  const scenes = [
    { name: SLOW, topic: 'killed-slow', perSecond: SLOW_PER_SECOND },
    { name: FAST, topic: 'killed-fast', perSecond: FAST_PER_SECOND },
  ];
  const kills = bench.scaled(KILLS, 1);
  await bench.compare({
    id: 'killed',
    title: `the owner is killed, lease of ${TTL_MS} ms, ${KILLS} times`,
    metrics: [
      { key: 'beyondTtl', unit: 'ms beyond the ttl', better: 'less' },
      { key: 'repeats', unit: 'handled again', better: 'less' },
      { key: 'next', unit: 'ms to the next event', better: 'less' },
      { key: 'lost', unit: 'never handled', better: 'less' },
    ],
    baseline: SLOW,
    rounds: kills,
    warmUps: 0,
    contenders: scenes.map(({ name, topic, perSecond }) => {
      const pair = new Pair(bench.server.url, topic, folder);
      let left = kills;
      return {
        name,
        run: async (): Promise<Sample> => {
          if (left === kills) {
            await makeTopic(bench.server.url, topic, STREAM);
            await pair.join();
            await pair.join();
          }
          const stop = publishing(streams, topic, perSecond);
          const sample = await killOwner(pair, streams, topic);
          await stop();
          if (--left > 0) return sample;
          const last = await streams.lastSequence(topic);
          await until(() => pair.handled().size >= last, 'all events handled').catch(() => undefined);
          const lost = last - pair.handled().size;
          await pair.stop();
          await streams.remove(topic);
          return { ...sample, lost };
        },
      };
    }),
    notes: [
      'What the process handled after its last confirmed commit is handled again. Handlers end at once.',
    ],
  });
}

async function run(bench: Bench): Promise<void> {
  const streams = await Streams.open(bench.server.url);
  const folder = await mkdtemp(join(tmpdir(), 'bench-takeover-'));
  try {
    await compareReconnect(bench, streams, folder);
    await compareKilled(bench, streams, folder);
    await compareHung(bench, streams);
  } finally {
    await streams.close();
    await rm(folder, { recursive: true, force: true });
  }
}

export const takeover: Suite = {
  name: 'takeover',
  about: 'how long events wait when an owner loses its connection, is killed, or leaves a hung event behind',
  goals,
  run,
};
