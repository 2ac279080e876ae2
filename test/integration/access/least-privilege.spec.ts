import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import {
  AggregateHandler,
  AggregateId,
  AggregateOperations,
  ParkedAggregates,
} from 'nestjs-aggregate-transport';
import { connectOperations } from 'nestjs-aggregate-transport/operating';
import { systemClock as boardClock } from '#board/clock.js';
import { OperationsSource } from '#board/operations/operations-source.js';
import { denialLog } from '#library/cli/denial-log.js';
import { COMMANDS } from '#library/cli/commands.js';
import { toolsOf } from '#library/cli/mcp/mcp-tools.js';
import { readCommandLine } from '#library/cli/command-line.js';
import { systemClock } from '#library/clock.js';
import { describeError } from '#library/errors.js';
import { Connection } from '#library/stream/connection/connection.js';
import { admits, deniedIn, type Line, type Role, rolesOnPage, userOf } from '../../support/access/roles.js';
import { publisherOf, startApp } from '../../support/app.js';
import { BareServer } from '../../support/bare-server.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';

/**
 * As the page names it. Each trial has a topic of its own instead, because all of them write into one log of Nest's.
 */
const PAGE_TOPIC = 'orders';
const GROUP = 'billing';
const ROLES = rolesOnPage();
const AT_ONCE = 6;

/** A role without one of its lines, or with all of them, in an account of its own. */
interface Trial {
  /** Its account, and its topic. */
  readonly name: string;
  readonly role: Role;
  readonly without: Line | undefined;
}

/** An operator who only looks. */
const ONLOOKER: Role = {
  name: 'onlooker',
  lines: ROLES.flatMap(({ name, lines }) =>
    name === 'operator' ? lines.filter(({ changes }) => changes !== true) : [],
  ),
};

const TRIALS: readonly Trial[] = [
  ...ROLES.flatMap((role) =>
    [undefined, ...role.lines].map((without, index) => ({ name: `${role.name}-${index}-`, role, without })),
  ),
  { name: 'onlooker-0-', role: ONLOOKER, without: undefined },
];

function ofTrial(name: string, lines: readonly Line[]): Line[] {
  return lines.map((line) => ({ ...line, filter: line.filter.replaceAll(PAGE_TOPIC, name) }));
}

let server: BareServer;
beforeAll(async () => {
  const accounts = TRIALS.map(
    ({ name, role, without }) => `"${name}" { jetstream: enabled, users: [
      { user: "admin-${name}", password: pw }
      ${userOf(
        name,
        ofTrial(
          name,
          role.lines.filter((line) => line !== without),
        ),
      )} ] }`,
  );
  server = await BareServer.start(() => `accounts { ${accounts.join('\n')} }`, '');
});
afterAll(() => server.stop());

const log = new CapturedLog();

/** What was said in the life of one trial: by the log, in lines that have its topic, and by errors. */
class Said {
  readonly errors: string[] = [];

  constructor(private readonly name: string) {}

  get text(): string {
    return [...log.lines.filter((line) => line.includes(this.name)), ...this.errors].join('\n');
  }
}

function handlerOf(topic: string, isBroken: () => boolean) {
  @Controller()
  class Handler {
    @AggregateHandler(topic, { retry: { attempts: 1 } })
    handle(@AggregateId() id: string) {
      if (id.startsWith('broken') && isBroken()) throw new Error('not yet');
    }
  }
  return Handler;
}

type AppKind = { readonly publishes?: boolean; readonly isBroken?: () => boolean };

function appOf(topic: string, user: string, { publishes, isBroken }: AppKind): Promise<INestApplication> {
  return startApp({
    options: {
      servers: server.url,
      connection: { user, pass: 'pw' },
      topics: { [topic]: { publish: { giveUpAfterMs: 2_000 } } },
      group: GROUP,
      shutdown: { drainMs: 200 },
    },
    ...(publishes === true ? { publishers: [topic] } : {}),
    ...(isBroken === undefined ? {} : { controllers: [handlerOf(topic, isBroken)] }),
    logger: log,
  });
}

/** The life of one trial: what it opens is closed with it, and nothing is opened after that. */
class Life {
  readonly said: Said;
  readonly #apps = new Set<INestApplication>();
  #isOver = false;
  isBroken = true;

  constructor(readonly name: string) {
    this.said = new Said(name);
  }

  async app(user: string, kind: AppKind): Promise<INestApplication> {
    if (this.#isOver) throw new Error('the life is over');
    const app = await appOf(this.name, user, kind);
    this.#apps.add(app);
    return app;
  }

  async close(app: INestApplication): Promise<void> {
    this.#apps.delete(app);
    await app.close();
  }

  /** Runs a command of the command line as the role, in this process. */
  command(...args: readonly string[]): Promise<void> {
    return this.commandAs(this.name, args);
  }

  async commandAs(user: string, args: readonly string[]): Promise<void> {
    if (this.#isOver) throw new Error('the life is over');
    const { command, input } = readCommandLine(args, COMMANDS);
    const commandLog = denialLog((text) => void this.said.errors.push(text));
    const terminal = { print: () => undefined, ask: () => Promise.resolve(undefined) };
    const prepared = command!.prepare(input, {
      terminal,
      clock: systemClock,
      connectedTo: () => Promise.reject(new Error('no command of this life has a second server')),
      connected: async (use) => {
        const options = { servers: server.url, user, pass: 'pw' };
        const connection = await Connection.open(options, 'command', commandLog);
        try {
          return await use(connection);
        } finally {
          await connection.nats.flush().catch(() => undefined);
          await connection.close();
        }
      },
    });
    const code = await prepared().catch((error: unknown) => {
      this.said.errors.push(describeError(error));
      return 1;
    });
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${this.said.text}`);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.allSettled([...this.#apps].map((app) => this.close(app)));
  }
}

async function publishAll(app: INestApplication, topic: string, ids: readonly string[]): Promise<void> {
  for (const aggregateId of ids)
    await publisherOf(app, topic).publish({ aggregateId, type: 'T', payload: 1 });
}

async function untilParked(
  app: INestApplication,
  topic: string,
  letters: Readonly<Record<string, number>>,
): Promise<void> {
  await eventually('the letters', async () => {
    const parked = await app.get(ParkedAggregates).list({ topic });
    return Object.entries(letters).every(
      ([id, count]) => parked.find(({ aggregateId }) => aggregateId === id)?.letters === count,
    );
  });
}

/** The role answers what it is asked. One that lacks what it needs for that names what it lacks. */
async function untilAnswered(admin: INestApplication, life: Life, without: Line | undefined): Promise<void> {
  const isNeeded = without?.filter.endsWith('.ask') === true || without?.isResponses === true;
  await eventually('an answer, or its refusal', async () => {
    const live = await admin
      .get(AggregateOperations)
      .askGroup({ topic: life.name, group: GROUP }, { withinMs: 5_000 });
    if (isNeeded) return life.said.text.includes('lacks the permission');
    return live.isComplete && live.replicas.length > 0;
  });
}

const LIVES: Readonly<Record<string, (life: Life, without: Line | undefined) => Promise<void>>> = {
  async publisher(life) {
    const app = await life.app(life.name, { publishes: true });
    await publishAll(app, life.name, ['a', 'a']);
    const publisher = publisherOf(app, life.name);
    expect(await publisher.lastSequence('a')).toBe(2);
    const read: string[] = [];
    for await (const { aggregateId } of publisher.read('a')) read.push(aggregateId);
    expect(read).toHaveLength(2);
    await life.close(app);
  },

  async handler(life, without) {
    const isBroken = (): boolean => life.isBroken;
    const first = await life.app(life.name, { isBroken });
    const admin = await life.app(`admin-${life.name}`, { publishes: true });
    await publishAll(admin, life.name, ['sound', ...Array<string>(6).fill('broken')]);
    await untilParked(first, life.name, { broken: 6 });
    await life.close(first);
    const app = await life.app(life.name, { isBroken });
    await untilAnswered(admin, life, without);
    const parked = app.get(ParkedAggregates);
    const aggregate = { topic: life.name, aggregateId: 'broken' };
    expect(await parked.skipHead(aggregate, { waitMs: 5_000 })).toEqual({ outcome: 'parked' });
    life.isBroken = false;
    expect(await parked.retry(aggregate, { waitMs: 5_000 })).toEqual({ outcome: 'unparked' });
    // A layout that changes ends readers while the connection stays.
    if (without === undefined || without.filter.includes('CONSUMER.DELETE'))
      await life.commandAs(`admin-${life.name}`, ['repartition', life.name, GROUP, '2', '--yes']);
    // Readers are looked at every four seconds.
    if (without?.filter.includes('CONSUMER.INFO') === true)
      await eventually('the look at the readers', () => life.said.text.includes('CONSUMER.INFO'));
    await life.close(app);
  },

  async onlooker(life) {
    const app = await life.app(`admin-${life.name}`, { publishes: true, isBroken: () => true });
    await publishAll(app, life.name, ['sound', 'broken']);
    await untilParked(app, life.name, { broken: 1 });
    const at = ['--topic', life.name, '--group', GROUP];
    await life.command('status');
    await life.command('group', 'show', life.name, GROUP);
    await life.command('group', 'ask', life.name, GROUP);
    await life.command('parked', 'show', 'broken', ...at);
    await life.command('aggregate', 'show', 'broken', '--topic', life.name);
    // What the board and language models look at.
    const connection = { user: life.name, pass: 'pw' };
    const operations = await connectOperations({ servers: server.url, connection });
    try {
      const board = new OperationsSource(() => operations, boardClock);
      expect((await board.overview()).notes).toEqual([]);
      await board.aggregate({ topic: life.name, aggregateId: 'broken', limit: 10, payloads: true });
      const input = { topic: life.name, group: GROUP, aggregateId: 'broken', text: 'broken' };
      for (const tool of toolsOf({ payloads: true }))
        if (tool.changes === undefined) await tool.run(operations, input);
    } finally {
      await operations.close();
    }
  },

  async operator(life) {
    const app = await life.app(`admin-${life.name}`, {
      publishes: true,
      isBroken: () => life.isBroken,
    });
    await publishAll(app, life.name, ['sound', 'broken-1', 'broken-1', 'broken-2', 'broken-3']);
    await untilParked(app, life.name, { 'broken-1': 2, 'broken-2': 1, 'broken-3': 1 });
    const at = ['--topic', life.name, '--group', GROUP];
    await life.command('status');
    await life.command('status', ...at);
    await life.command('group', 'ask', life.name, GROUP);
    await life.command('parked', 'list');
    await life.command('parked', 'show', 'broken-1', ...at);
    await life.command('parked', 'skip', 'broken-1', ...at, '--yes');
    await life.command('parked', 'discard', 'broken-2', ...at, '--yes');
    const edited = `${life.name}/${GROUP}/broken-3`;
    // The second edit takes the place of the first.
    for (const payload of ['2', '3'])
      await life.command('parked', 'edit', edited, '--payload', payload, '--yes', '--wait', '5000');
    life.isBroken = false;
    await life.command('parked', 'retry', 'broken-3', ...at);
    await life.command('parked', 'export', `${life.name}/${GROUP}`, '--json');
    await life.command('group', 'list', life.name);
    await life.command('group', 'show', life.name, GROUP);
    await life.command('aggregate', 'show', 'sound', '--topic', life.name);
    await life.command('aggregate', 'purge', 'sound', '--topic', life.name, '--yes', '--wait', '5000');
    await life.command('topic', 'edit', life.name, '--max-messages', '999999', '--yes');
    await life.command('repartition', life.name, GROUP, '2', '--yes');
    // Without a process the command drains by itself.
    await life.close(app);
    await life.command('group', 'reset', life.name, GROUP, '--to', 'start', '--yes');
    await life.command('group', 'delete', life.name, GROUP, '--yes');
  },
};

/** What a trial came to: the subjects it named, and the error its life ended with. */
interface Outcome {
  readonly named: readonly string[];
  readonly failed: unknown;
  readonly text: string;
}

async function run({ name, role, without }: Trial): Promise<Outcome> {
  const life = new Life(name);
  let failed: unknown;
  let isOver = false;
  const living = LIVES[role.name]!(life, without)
    .catch((error: unknown) => {
      failed = error;
      life.said.errors.push(describeError(error));
    })
    .finally(() => {
      isOver = true;
    });
  const [lacking] = without === undefined ? [] : ofTrial(name, [without]);
  const named = (): string[] => {
    if (lacking === undefined)
      return [...deniedIn(life.said.text, 'publish'), ...deniedIn(life.said.text, 'subscribe')];
    return deniedIn(life.said.text, lacking.side).filter((subject) => admits(lacking.filter, subject));
  };
  const isDone = (): boolean => isOver || (without !== undefined && named().length > 0);
  await eventually('the end of a trial', isDone, 60_000).catch(() => undefined);
  await life.end();
  // A command of the library may wait for an answer that will not come.
  void living;
  return { named: named(), failed, text: life.said.text };
}

describe('the roles of docs/security.md', () => {
  const outcomes = new Map<Trial, Promise<Outcome>>();
  beforeAll(() => {
    const waiting = [...TRIALS];
    const resolvers = new Map<Trial, (outcome: Outcome) => void>();
    for (const trial of TRIALS) outcomes.set(trial, new Promise((resolve) => resolvers.set(trial, resolve)));
    const work = async (): Promise<void> => {
      for (let trial = waiting.shift(); trial !== undefined; trial = waiting.shift())
        resolvers.get(trial)!(await run(trial));
    };
    for (let worker = 0; worker < AT_ONCE; worker++) void work();
  });

  test('are three', () => {
    expect(ROLES.map(({ name }) => name)).toEqual(['publisher', 'handler', 'operator']);
    expect(ROLES.every(({ lines }) => lines.length > 4)).toBe(true);
  });

  test.each(TRIALS.filter(({ without }) => without === undefined))(
    '$role.name: they suffice for a whole life',
    async (trial) => {
      expect(await outcomes.get(trial)).toMatchObject({ named: [], failed: undefined });
    },
    120_000,
  );

  test.each(TRIALS.filter(({ without }) => without !== undefined))(
    '$role.name without $without.side $without.filter: the subject is named',
    async (trial) => {
      const { named, text } = (await outcomes.get(trial))!;
      expect(named.length > 0 ? 'named' : text).toBe('named');
    },
    120_000,
  );
});
