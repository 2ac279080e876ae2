// Shows why events are not scheduled by the server (docs/decisions/0014): what becomes of schedules that fall due while
// servers stop. Run: npm run build && node dist/bench/message-schedules.js [rounds]
import { setTimeout as delay } from 'node:timers/promises';
import { connect, headers, type JetStreamClient, type NatsConnection } from 'nats';
import { type NatsServer, startNatsCluster, startNatsServer } from 'nestjs-aggregate-transport/testing';

const STREAM = 'timed';
const SCHEDULES = 5_000;
const DUE_IN_MS = 9_000;
const FAULT_AFTER_MS = [0, 5, 10, 20, 40, 80, 120, 200];
const REQUEST_WITHIN_MS = 5_000;
const DONE_WITHIN_MS = 60_000;
const POLL_MS = 250;

interface StreamInfo {
  readonly cluster?: { readonly leader?: string };
  readonly state: { readonly messages: number; readonly first_seq: number; readonly last_seq: number };
  readonly config: { readonly deny_purge?: boolean; readonly allow_rollup_hdrs?: boolean };
  readonly error?: { readonly description: string };
}

async function api(nats: NatsConnection, verb: string, body: object | string = ''): Promise<StreamInfo> {
  const data = typeof body === 'string' ? body : JSON.stringify(body);
  return (await nats.request(`$JS.API.${verb}.${STREAM}`, data, { timeout: REQUEST_WITHIN_MS })).json();
}

function configOf(replicas: number, more: object = {}): object {
  return {
    ...{ name: STREAM, subjects: [`${STREAM}.event.*`, `${STREAM}.schedule.*`], storage: 'file' },
    ...{ num_replicas: replicas, allow_msg_schedules: true, duplicate_window: 120_000_000_000, ...more },
  };
}

function scheduleAt(dueMs: number, target: string, id: string): ReturnType<typeof headers> {
  const block = headers();
  block.set('Nats-Schedule', `@at ${new Date(dueMs).toISOString()}`);
  block.set('Nats-Schedule-Target', target);
  block.set('Nats-Msg-Id', id);
  return block;
}

/** Sends one message until its storing is confirmed: a new leader answers 503 for a while. */
async function confirmed(
  js: JetStreamClient,
  subject: string,
  body: string,
  block: ReturnType<typeof headers>,
): Promise<void> {
  const deadline = Date.now() + DONE_WITHIN_MS;
  for (;;) {
    try {
      await js.publish(subject, body, { headers: block });
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await delay(POLL_MS);
    }
  }
}

/** Stores schedules that are due at one time, each confirmed. */
async function schedule(js: JetStreamClient, dueMs: number, round: number): Promise<void> {
  const all = Array.from({ length: SCHEDULES }, (_, index) => {
    const id = `${round}-${index}`;
    const block = scheduleAt(dueMs, `${STREAM}.event.${id}`, `schedule:${id}`);
    return confirmed(js, `${STREAM}.schedule.${id}`, id, block);
  });
  await Promise.all(all);
}

interface Counted {
  readonly stored: number;
  readonly twice: number;
  readonly missing: number;
  readonly stillScheduled: number;
}

async function subjectCounts(nats: NatsConnection, filter: string): Promise<Record<string, number>> {
  const body = JSON.stringify({ subjects_filter: filter });
  const answer = await nats.request(`$JS.API.STREAM.INFO.${STREAM}`, body, { timeout: REQUEST_WITHIN_MS });
  const info: { state: { subjects?: Record<string, number> }; error?: unknown } = answer.json();
  if (info.error !== undefined) throw new Error(JSON.stringify(info.error));
  return info.state.subjects ?? {};
}

async function countRound(nats: NatsConnection, round: number): Promise<Counted> {
  const own = (subjects: Record<string, number>): [string, number][] =>
    Object.entries(subjects).filter(([subject]) => subject.split('.')[2]?.startsWith(`${round}-`) === true);
  const events = own(await subjectCounts(nats, `${STREAM}.event.*`));
  const schedules = own(await subjectCounts(nats, `${STREAM}.schedule.*`));
  return {
    stored: events.length,
    twice: events.filter(([, count]) => count > 1).length,
    missing: SCHEDULES - events.length,
    stillScheduled: schedules.length,
  };
}

/** Polls until nothing is scheduled any more and the counts stand still. */
async function settled(urls: readonly string[], round: number): Promise<Counted> {
  const deadline = Date.now() + DONE_WITHIN_MS;
  let last = '';
  for (;;) {
    const now = await once(urls, (nats) => countRound(nats, round)).catch(() => undefined);
    const text = JSON.stringify(now);
    if (now !== undefined && text === last && (now.stillScheduled === 0 || Date.now() > deadline)) return now;
    last = text;
    await delay(POLL_MS * 4);
  }
}

async function once<T>(urls: readonly string[], ask: (nats: NatsConnection) => Promise<T>): Promise<T> {
  const nats = await connect({ servers: [...urls], maxReconnectAttempts: 0, timeout: 2_000 });
  try {
    return await ask(nats);
  } finally {
    await nats.close();
  }
}

async function lastSequence(nats: NatsConnection): Promise<number> {
  return (await api(nats, 'STREAM.INFO')).state.last_seq;
}

type Fault = (nats: NatsConnection) => Promise<() => Promise<void>>;

/** One round: schedules that fall due together, and a fault while the server stores them. */
async function play(urls: readonly string[], round: number, fault: Fault): Promise<Counted> {
  const nats = await connect({ servers: [...urls], maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  const dueMs = Date.now() + DUE_IN_MS;
  await schedule(nats.jetstream({ timeout: DONE_WITHIN_MS }), dueMs, round);
  if (Date.now() > dueMs) console.log('  (scheduling took longer than planned)');
  const before = await lastSequence(nats);
  while ((await lastSequence(nats)) === before) await delay(1);
  await delay(FAULT_AFTER_MS[round % FAULT_AFTER_MS.length] ?? 0);
  const seen = (await lastSequence(nats)) - before;
  const undo = await fault(nats);
  console.log(`  fault when at least ${seen} of ${SCHEDULES} were stored`);
  await nats.close();
  await undo();
  return settled(urls, round);
}

async function report(
  kind: string,
  rounds: number,
  playRound: (round: number) => Promise<Counted>,
): Promise<void> {
  let twice = 0;
  let missing = 0;
  for (let round = 0; round < rounds; round += 1) {
    const found = await playRound(round);
    twice += found.twice;
    missing += found.missing;
    console.log(`  ${kind}, round ${round}: ${JSON.stringify(found)}`);
  }
  console.log(`${kind}: ${rounds * SCHEDULES} schedules, ${twice} stored twice, ${missing} not stored`);
}

async function create(urls: readonly string[], config: object): Promise<StreamInfo> {
  return once(urls, (nats) => api(nats, 'STREAM.CREATE', config));
}

/** A schedule of its own, and what the server says to it. */
async function scheduleOne(
  nats: NatsConnection,
  name: string,
  target: string,
  dueMs: number,
): Promise<{ seq: number; duplicate: boolean }> {
  const block = scheduleAt(dueMs, `${STREAM}.event.${target}`, `id:${name}`);
  const { seq, duplicate } = await nats
    .jetstream()
    .publish(`${STREAM}.schedule.${name}`, name, { headers: block });
  return { seq, duplicate };
}

interface StoredMessage {
  readonly data: string;
  readonly hdrs?: string;
}

async function messageAt(nats: NatsConnection, seq: number): Promise<StoredMessage | undefined> {
  const body = JSON.stringify({ seq });
  const answer = await nats.request(`$JS.API.STREAM.MSG.GET.${STREAM}`, body, { timeout: REQUEST_WITHIN_MS });
  return answer.json<{ message?: StoredMessage }>().message;
}

/** The events under one subject, by the name of their schedule, in stream order. */
async function eventsOf(nats: NatsConnection, target: string): Promise<string[]> {
  const { first_seq: first, last_seq: last } = (await api(nats, 'STREAM.INFO')).state;
  const found: string[] = [];
  for (let seq = first; seq <= last; seq += 1) {
    const message = await messageAt(nats, seq);
    const name = Buffer.from(message?.data ?? '', 'base64').toString();
    const isEvent = Buffer.from(message?.hdrs ?? '', 'base64')
      .toString()
      .includes('Nats-Scheduler');
    if (isEvent && name.startsWith(target)) found.push(name);
  }
  return found;
}

async function untilStored(urls: readonly string[], target: string, count: number): Promise<string[]> {
  const deadline = Date.now() + DONE_WITHIN_MS;
  for (;;) {
    const found = await once(urls, (nats) => eventsOf(nats, target)).catch(() => []);
    if (found.length >= count || Date.now() > deadline) return found;
    await delay(POLL_MS);
  }
}

/** What a stream with schedules may be. */
async function settings(nats: NatsConnection): Promise<void> {
  const refused = await api(nats, 'STREAM.CREATE', configOf(1, { discard: 'new' }));
  console.log('discard new:', refused.error?.description ?? 'accepted');
  await api(nats, 'STREAM.CREATE', configOf(1, { allow_msg_schedules: false }));
  await nats.jetstream().publish(`${STREAM}.event.first`, '1');
  const on = await api(nats, 'STREAM.UPDATE', configOf(1));
  console.log('turned on with an event in it:', on.error?.description ?? 'accepted');
  const off = await api(nats, 'STREAM.UPDATE', configOf(1, { allow_msg_schedules: false }));
  console.log('turned off again:', off.error?.description ?? 'accepted');
}

/** A schedule whose answer was lost is sent again, as a publisher does, after all servers were restarted one by one. */
async function sentAgain(servers: readonly NatsServer[], name: string): Promise<void> {
  const urls = servers.map(({ url }) => url);
  const dueMs = Date.now() + 1_000;
  const first = await once(urls, (nats) => scheduleOne(nats, name, name, dueMs));
  await untilStored(urls, name, 1);
  const inPlace = await once(urls, (nats) => scheduleOne(nats, name, name, dueMs));
  for (const server of servers) {
    await server.kill();
    await server.start();
    await untilStored(urls, name, 1);
  }
  const again = await once(urls, (nats) => scheduleOne(nats, name, name, dueMs));
  await delay(2_000);
  const stored = await untilStored(urls, name, 1);
  console.log(
    `first sent: ${JSON.stringify(first)}; sent again: ${JSON.stringify(inPlace)}; ` +
      `after SIGKILL of ${servers.length}, one by one: ${JSON.stringify(again)}; events: ${stored.length}`,
  );
}

/** Schedules that fall due while the server is down, the first one in the stream due last. */
async function orderAfterDowntime(server: NatsServer): Promise<void> {
  const now = Date.now();
  await once([server.url], async (nats) => {
    await scheduleOne(nats, 'order-due-in-6-s', 'order', now + 6_000);
    await scheduleOne(nats, 'order-due-in-4-s', 'order', now + 4_000);
    await scheduleOne(nats, 'order-due-in-2-s', 'order', now + 2_000);
  });
  await server.kill();
  await delay(7_000);
  await server.start();
  console.log('stored after a downtime:', await untilStored([server.url], 'order', 3));
}

/** A confirmed schedule is an ordinary message of a stream that discards the oldest. */
async function retention(nats: NatsConnection): Promise<void> {
  await scheduleOne(nats, 'kept', 'kept', Date.now() + 2_000);
  await api(nats, 'STREAM.UPDATE', configOf(1, { max_msgs: 10 }));
  for (let index = 0; index < 12; index += 1) await nats.jetstream().publish(`${STREAM}.event.many`, '');
  await delay(4_000);
  console.log('confirmed, then above the limit of the stream:', await eventsOf(nats, 'kept'), 'stored');
  await nats.request(`$JS.API.STREAM.DELETE.${STREAM}`, '');
}

/** Cancels by purging the schedule while it falls due. A cancel that the server confirms must hold. */
async function cancels(urls: readonly string[], round: number): Promise<void> {
  const nats = await connect({ servers: [...urls] });
  const dueMs = Date.now() + DUE_IN_MS;
  await schedule(nats.jetstream(), dueMs, round);
  const before = await lastSequence(nats);
  while ((await lastSequence(nats)) === before) await delay(1);
  const ids = Array.from({ length: SCHEDULES }, (_, index) => `${round}-${index}`).reverse();
  const purged = await Promise.all(
    ids.map(async (id) => {
      const body = JSON.stringify({ filter: `${STREAM}.schedule.${id}` });
      const options = { timeout: DONE_WITHIN_MS };
      const answer = await nats.request(`$JS.API.STREAM.PURGE.${STREAM}`, body, options);
      return answer.json<{ purged?: number }>().purged === 1;
    }),
  );
  await settled(urls, round);
  const events = await subjectCounts(nats, `${STREAM}.event.*`);
  const confirmedOnes = ids.filter((_, index) => purged[index] === true);
  const broken = confirmedOnes.filter((id) => (events[`${STREAM}.event.${id}`] ?? 0) > 0).length;
  console.log(
    `cancelled while due: ${confirmedOnes.length} confirmed, ${broken} of them stored all the same`,
  );
  await nats.close();
}

async function leaderOf(
  cluster: { servers: readonly NatsServer[] },
  nats: NatsConnection,
): Promise<NatsServer> {
  const name = (await api(nats, 'STREAM.INFO')).cluster?.leader;
  for (const server of cluster.servers) {
    const found = await once([server.url], (one) => Promise.resolve(one.info?.server_name));
    if (found === name) return server;
  }
  throw new Error(`expected the leader ${name ?? 'none'} among the servers`);
}

const rounds = Number(process.argv[2] ?? FAULT_AFTER_MS.length);
const server = await startNatsServer();
console.log('nats-server', server.version);
try {
  await once([server.url], settings);
  await sentAgain([server], 'again-on-one');
  await orderAfterDowntime(server);
  await once([server.url], retention);
  await create([server.url], configOf(1));
  await cancels([server.url], 1_000);
  await report('one server, SIGKILL', rounds, (round) =>
    play([server.url], round, async () => {
      await server.kill();
      return () => server.start();
    }),
  );
} finally {
  await server.stop();
}
const cluster = await startNatsCluster(3);
try {
  await create(cluster.urls, configOf(3));
  await sentAgain(cluster.servers, 'again-on-three');
  await cancels(cluster.urls, 1_001);
  await report('three servers, leader steps down', rounds, (round) =>
    play(cluster.urls, round, async (nats) => {
      await api(nats, 'STREAM.LEADER.STEPDOWN');
      return () => Promise.resolve();
    }),
  );
  await report('three servers, leader killed', rounds, (round) =>
    play(cluster.urls, rounds + round, async (nats) => {
      const leader = await leaderOf(cluster, nats);
      await leader.kill();
      return () => leader.start();
    }),
  );
} finally {
  await cluster.stop();
}
