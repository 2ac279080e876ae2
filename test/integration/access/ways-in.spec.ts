import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { AggregateHandler, AggregateHealthIndicator, AggregateId } from 'nestjs-aggregate-transport';
import { connectOperations } from 'nestjs-aggregate-transport/operating';
import { CLIENTS } from '../../support/access/clients.js';
import { CREDENTIAL_WAYS } from '../../support/access/credential-ways.js';
import { PLACE_WAYS, TOPIC } from '../../support/access/place-ways.js';
import { TLS_WAYS } from '../../support/access/tls-ways.js';
import type { Access, OpenWay, Way } from '../../support/access/way.js';
import { publisherOf, startApp, type TestAppOptions } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { SAYS_ALL } from '../../support/says-all.js';

const WAYS: readonly Way[] = [...CREDENTIAL_WAYS, ...TLS_WAYS, ...PLACE_WAYS];
const SECRET = /secret|guessed|s@cret|s%40cret|SU[A-Z0-9]{20}/;

/** A row of the table in docs/security.md. */
interface Row {
  readonly connects: string;
  readonly replaced: string;
  readonly errors: readonly string[];
}

const ROWS = new Map<string, Row>(
  readFileSync('docs/security.md', 'utf8')
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter((cells) => cells.length === 7 && CLIENTS.some((client) => cells[2] === `\`${client}\``))
    .map(([, name = '', client = '', connects = '', replaced = '', error = '']) => [
      `${name} ${client.replaceAll('`', '')}`,
      { connects, replaced, errors: [...error.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text) },
    ]),
);

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const handled: string[] = [];

@Controller()
class Handler {
  @AggregateHandler(TOPIC, { retry: { attempts: 1 } })
  handle(@AggregateId() id: string) {
    if (id.startsWith('broken')) throw new Error('not this one');
    handled.push(id);
  }
}

async function start(
  access: Access,
  more: Partial<TestAppOptions> & { topic?: string },
): Promise<INestApplication> {
  const { topic = TOPIC, ...test } = more;
  const group = `of-${access.client ?? ''}`;
  const app = await startApp({
    options: { ...access, topics: { [topic]: {} }, group, shutdown: { drainMs: 100 } },
    publishers: [topic],
    ...test,
  });
  opened.push(() => app.close());
  return app;
}

/** What an application says that starts without what it needs. */
async function refused(access: Access): Promise<{ readonly message: string; readonly log: CapturedLog }> {
  const log = new CapturedLog();
  const starting = startApp({
    options: { ...access, topics: { [TOPIC]: {} } },
    publishers: [TOPIC],
    logger: log,
  });
  const message = await starting.then(
    async (app) => {
      await app.close();
      return 'it started';
    },
    (error: unknown) => (error as Error).message,
  );
  return { message, log };
}

const publish = (app: INestApplication, aggregateId: string, topic = TOPIC): Promise<string> =>
  publisherOf(app, topic)
    .publish({ aggregateId, type: 'T', payload: 1 })
    .then(
      () => 'stored',
      (error: unknown) => (error as { code: string }).code,
    );

async function problemsOf(app: INestApplication): Promise<string> {
  return JSON.stringify(await app.get(AggregateHealthIndicator).isHealthy('events'));
}

/** The same way in lets tools of operators read all there is, and ask the running process. */
async function looksIn(access: Access, aggregateId: string, isAsked: boolean): Promise<void> {
  const address = { topic: TOPIC, group: `of-${access.client ?? ''}` };
  const operations = await connectOperations(access);
  try {
    await eventually('the broken aggregate to be parked', async () => {
      const letters = await operations.letters({ ...address, aggregateId: `broken ${aggregateId}` });
      return letters.letters.length === 1;
    });
    expect(await operations.askGroup(address)).toMatchObject({ isComplete: isAsked });
    const { timeline } = await operations.aggregate({ topic: TOPIC, aggregateId });
    expect(timeline).toMatchObject([{ kind: 'stored', type: 'T' }]);
    expect(await operations.group(address)).toMatchObject({ condition: 'living', owned: 1 });
  } finally {
    await operations.close();
  }
}

function rowOf(way: Way, client: string): Row {
  const row = ROWS.get(`${way.name} ${client}`);
  if (row === undefined) throw new Error(`expected a row for "${way.name}", ${client}, in docs/security.md`);
  return row;
}

test('docs/security.md has a row for each way in and client, and for no other', () => {
  const wanted = WAYS.flatMap(({ name }) => CLIENTS.map((client) => `${name} ${client}`));
  expect([...ROWS.keys()].sort()).toEqual(wanted.sort());
});

describe.each(WAYS)('$name', (way) => {
  let scene: OpenWay;
  // Some are refused after ten seconds only, so all clients begin at once.
  const refusals = new Map<string, ReturnType<typeof refused>>();
  beforeAll(async () => {
    scene = await way.open();
    for (const client of CLIENTS) refusals.set(client, refused(scene.wrong(client)));
  });
  afterAll(() => scene.close());

  test.each(CLIENTS)('lets an application publish and handle, with %s', async (client) => {
    expect(rowOf(way, client).connects).toBe('yes');
    const log = new CapturedLog();
    const app = await start(scene.right(client), { controllers: [Handler], logger: log });
    const id = `${way.name} ${client}`;
    expect(await publish(app, id)).toBe('stored');
    await eventually('the event to be handled', () => handled.includes(id));
    expect(await publish(app, `broken ${id}`)).toBe('stored');
    await looksIn(scene.right(client), id, way.isAsked ?? true);
    expect(log.matching(/^error .*\.ask"/)).toEqual([]);
    expect(log.lines.join(' ')).not.toMatch(SECRET);
  });

  test.each(CLIENTS)(
    'refuses a start that lacks it, and says why without a secret, with %s',
    async (client) => {
      const { errors } = rowOf(way, client);
      const { message, log } = await refusals.get(client)!;
      expect(errors).not.toEqual([]);
      for (const text of errors) expect(message).toContain(text);
      expect(message).toMatch(SAYS_ALL);
      expect(`${message} ${log.lines.join(' ')}`).not.toMatch(SECRET);
    },
  );
});

describe.each([...CREDENTIAL_WAYS, ...TLS_WAYS])('$name, replaced while it is used', (way) => {
  // One log, as Nest has one: each application has a topic of its own.
  const log = new CapturedLog();
  const said = (topic: string, text: RegExp): string[] =>
    log.matching(text).filter((line) => line.includes(`:${topic}"`));
  const apps = new Map<string, INestApplication>();
  let scene: OpenWay;

  beforeAll(async () => {
    scene = await way.open();
    await Promise.all(
      CLIENTS.map(async (client) => {
        const fixed = (scene.fixed ?? scene.right)(client);
        const access = { [`fixed-${client}`]: fixed, [`renewing-${client}`]: scene.renewing?.(client) };
        for (const [topic, one] of Object.entries(access)) {
          if (one === undefined) continue;
          const app = await startApp({
            options: { ...one, topics: { [topic]: {} }, shutdown: { drainMs: 100 } },
            publishers: [topic],
            logger: log,
          });
          apps.set(topic, app);
          expect(await publish(app, 'a', topic)).toBe('stored');
        }
      }),
    );
    await scene.rotate!();
    await eventually('the end of all connections', () =>
      [...apps.keys()].every((topic) => said(topic, /is gone/).length > 0),
    );
  }, 60_000);
  afterAll(async () => {
    await Promise.all([...apps.values()].map((app) => app.close()));
    await scene.close();
  });

  test.each(CLIENTS)('written down once it does what the table says, with %s', async (client) => {
    const topic = `fixed-${client}`;
    const app = apps.get(topic)!;
    const [, problem = ''] = /^(?:ends|stays away): `([^`]+)`/.exec(rowOf(way, client).replaced) ?? [];
    await eventually(problem, async () => (await problemsOf(app)).includes(`"${problem}"`));
    if (problem === 'connection-closed') {
      expect(await publish(app, 'a', topic)).toBe('CONNECTION_CLOSED');
      expect(said(topic, /^error .*does not take its credentials any more/)).toHaveLength(1);
      expect(
        log.matching(new RegExp(`^error .*CONNECTION_CLOSED.*:${topic}".*refused by the server`)),
      ).toHaveLength(1);
    } else {
      expect(problem).toBe('disconnected');
    }
    // A client may tell of an attempt as made before the server has refused it: then it was back for a moment. What
    // ends in such a moment says that it has ended, and not once more that it is gone.
    const allowed = problem === 'connection-closed' ? [0, 1] : [1];
    await eventually('"is gone" to be said once for each time it was there', () =>
      allowed.includes(said(topic, /is gone/).length - said(topic, /is back/).length),
    );
    expect(log.lines.join(' ')).not.toMatch(SECRET);
  });

  test.each(CLIENTS)('read at each attempt it reconnects, if it has such a form, with %s', async (client) => {
    const topic = `renewing-${client}`;
    const app = apps.get(topic);
    expect(/reconnects with/.test(rowOf(way, client).replaced)).toBe(app !== undefined);
    if (app === undefined) return;
    expect(await publish(app, 'b', topic)).toBe('stored');
    await eventually('health to be up', async () => (await problemsOf(app)).includes('"up"'));
    expect(said(topic, /is back/)).toHaveLength(1);
  });
});
