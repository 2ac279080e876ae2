// Shows why fast ingest is not used (docs/decisions/0004): on three replicas it confirms an event that is not stored, if the
// event's first copy is proposed and not committed. Run: npm run build && node dist/bench/fast-ingest-false-ack.js
import { setTimeout as delay } from 'node:timers/promises';
import { connect, createInbox, headers, type NatsConnection } from 'nats';
import { startNatsCluster } from 'nestjs-aggregate-transport/testing';

const STREAM = 'shown';
const SUBJECT = 'shown.one';
const ANSWERS_WITHIN_MS = 500;

interface StreamInfo {
  cluster?: { leader?: string };
  state: { messages: number };
  error?: unknown;
}

function withId(id: string): ReturnType<typeof headers> {
  const block = headers();
  block.set('Nats-Msg-Id', id);
  return block;
}

/** Sends one event, or the order to commit, in a fast batch and resolves with all answers that come. */
async function inFastBatch(
  nats: NatsConnection,
  steps: readonly { operation: number; id: string }[],
): Promise<string[]> {
  const batch = createInbox();
  const answers: string[] = [];
  nats.subscribe(`${batch}.>`, { callback: (_error, message) => void answers.push(message.string()) });
  for (const [index, { operation, id }] of steps.entries()) {
    const reply = `${batch}.1.fail.${index + 1}.${operation}.$FI`;
    nats.publish(SUBJECT, id, { reply, headers: withId(id) });
  }
  await delay(ANSWERS_WITHIN_MS);
  return answers;
}

async function infoFrom(url: string): Promise<StreamInfo | undefined> {
  const nats = await connect({ servers: url });
  try {
    return (await nats.request(`$JS.API.STREAM.INFO.${STREAM}`, '', { timeout: 1_000 })).json<StreamInfo>();
  } catch {
    return undefined;
  } finally {
    await nats.close();
  }
}

const START = 0;
const COMMIT_AND_STORE = 2;
const COMMIT = 3;
const cluster = await startNatsCluster(3);
try {
  const nats = await connect({ servers: cluster.urls[0]! });
  const config = { name: STREAM, subjects: [SUBJECT], storage: 'file', num_replicas: 3, allow_batched: true };
  await nats.request(`$JS.API.STREAM.CREATE.${STREAM}`, JSON.stringify(config), { timeout: 10_000 });
  console.log('event 0:', await inFastBatch(nats, [{ operation: COMMIT_AND_STORE, id: '0' }]));
  const leaderName = (await infoFrom(cluster.urls[0]!))?.cluster?.leader;
  await nats.close();

  const connections = await Promise.all(cluster.urls.map((servers) => connect({ servers })));
  const leaderAt = connections.findIndex(({ info }) => info?.server_name === leaderName);
  const toLeader = connections[leaderAt]!;
  await Promise.all(connections.filter((one) => one !== toLeader).map((one) => one.close()));
  const leader = cluster.servers[leaderAt]!;
  const followers = cluster.servers.filter((one) => one !== leader);

  await Promise.all(followers.map((one) => one.kill()));
  console.log('both followers are dead: no majority');
  console.log('event 1:', await inFastBatch(toLeader, [{ operation: START, id: '1' }]));
  console.log(
    'its copy in another batch, committed:',
    await inFastBatch(toLeader, [
      { operation: START, id: '1' },
      { operation: COMMIT, id: 'end' },
    ]),
  );
  const ordinary = await toLeader.request(SUBJECT, '1', { headers: withId('1'), timeout: 1_000 });
  console.log('its copy as an ordinary publish:', ordinary.string());
  await toLeader.close();

  await leader.kill();
  await Promise.all(followers.map((one) => one.start()));
  console.log('the leader is dead, both followers are back');
  let info: StreamInfo | undefined;
  while (info?.cluster?.leader === undefined) {
    await delay(ANSWERS_WITHIN_MS);
    info = await infoFrom(followers[0]!.url);
  }
  console.log(`confirmed: events 0 and 1; stored: ${info.state.messages}`);
} finally {
  await cluster.stop();
}
