import type { Goal } from '../goal.js';
import {
  ALONE,
  BACKLOG,
  BATCHED,
  compareHot,
  compareRelays,
  drainBacklog,
  NAIVE_RELAY,
  RELAY,
} from '../outbox/drain.js';
import { compareInbox, ONCE, PLAIN } from '../outbox/inbox.js';
import { IDLE, measureLag } from '../outbox/lag.js';
import { OutboxWorld } from '../outbox/outbox-world.js';
import { CROWD, measureSessions } from '../outbox/sessions.js';
import { compareWays, NAIVE, OURS } from '../outbox/way.js';
import type { Bench, Suite } from '../suite.js';

const goals: Goal[] = [
  {
    text: 'add, commit, relay, stored: against a naive polling relay',
    ...{ section: 'way', contender: OURS, metric: 'rate', against: NAIVE, atLeast: 10 },
  },
  {
    text: 'rows that wait, nothing is added meanwhile: against a naive polling relay',
    ...{ section: 'relay', contender: RELAY, metric: 'rate', against: NAIVE_RELAY, atLeast: 10 },
  },
  {
    text: 'rows of one aggregate that wait: batches against one event a round trip',
    ...{ section: 'hot-1', contender: BATCHED, metric: 'rate', against: ALONE, atLeast: 2 },
  },
  {
    text: 'idle: from the commit to the stored event, p50 in ms',
    ...{ section: 'lag', contender: IDLE, metric: 'p50', atMost: 20 },
  },
  {
    text: 'inbox: cost of an event against the same transaction without it',
    ...{ section: 'inbox', contender: ONCE, metric: 'cost', against: PLAIN, atMost: 1.25 },
  },
  {
    text: '200 sessions, 10 000 aggregates: order violations',
    ...{ section: 'sessions', contender: CROWD, metric: 'violations', of: 'worst', atMost: 0 },
  },
  {
    text: '200 sessions, 10 000 aggregates: rows lost or stored twice',
    ...{ section: 'sessions', contender: CROWD, metric: 'missing', of: 'worst', atMost: 0 },
  },
  {
    text: 'a backlog of 1 000 000 rows: lost, twice or out of order',
    ...{ section: 'backlog', contender: BACKLOG, metric: 'wrong', of: 'worst', atMost: 0 },
  },
];

async function run(bench: Bench): Promise<void> {
  const world = await OutboxWorld.open(bench.server.url);
  try {
    await compareWays(bench, world);
    await compareRelays(bench, world);
    await compareHot(bench, world);
    await measureLag(bench, world);
    await compareInbox(bench, world);
    await measureSessions(bench, world);
    await drainBacklog(bench, world);
  } finally {
    await world.close();
  }
}

export const outbox: Suite = {
  name: 'outbox',
  about: 'PostgreSQL outbox and inbox: against plain INSERT, a naive relay, and the transaction alone',
  goals,
  run,
};
