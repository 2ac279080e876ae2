import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import {
  AggregateHandler,
  AggregateHealthIndicator,
  AggregateOperations,
  AggregateTransportStatus,
  ParkedAggregates,
} from 'nestjs-aggregate-transport';
import { systemClock } from '#board/clock.js';
import { OperationsSource } from '#board/operations/operations-source.js';
import { toolsOf } from '#library/cli/mcp/mcp-tools.js';
import { publisherOf, startApp } from '../../support/app.js';
import { BareServer } from '../../support/bare-server.js';
import { runCommand } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';
import { KeptLines } from '../../support/kept-lines.js';
import { Spans } from '../../support/spans.js';

const TOPIC = 'orders';
/** Each place that could leak has a word of its own. */
const WORDS = {
  address: 'zebra-in-address',
  option: 'zebra-in-option',
  payload: 'zebra-in-payload',
  header: 'zebra-in-header',
  guessed: 'zebra-guessed',
} as const;

let server: BareServer;
const config = (password: string) => (): string =>
  `accounts { A: { jetstream: enabled, users: [
    { user: svc, password: "${password}" }, { user: other, password: "${WORDS.option}" } ] } }`;
beforeAll(async () => {
  server = await BareServer.start(config(WORDS.address), '');
});
afterAll(() => server.stop());

@Controller()
class Handler {
  @AggregateHandler(TOPIC, { retry: { attempts: 1 } })
  handle() {
    throw new Error('a handler that fails');
  }
}

/** Everything that tools of operators tell without being asked for payloads: the facade, the board, and MCP. */
async function toldByTools(operations: AggregateOperations): Promise<unknown[]> {
  const group = { topic: TOPIC, group: 'g' };
  const one = { ...group, aggregateId: 'a' };
  const told: unknown[] = [
    await operations.askGroup(group, { worst: 20 }),
    await operations.askAggregate(one),
    await operations.aggregate(one),
    await operations.search('a'),
    await operations.parked(group),
    await operations.letters(one),
    await operations.status(),
  ];
  for (const tool of toolsOf({ payloads: false }))
    if (tool.changes === undefined) told.push(await tool.run(operations, { ...one, text: 'a' }));
  const board = new OperationsSource(() => operations, systemClock);
  const troubles = { kind: undefined, text: '', offset: 0, limit: 50 };
  told.push(await board.overview(), await board.group(group, troubles), await board.find('a'));
  told.push(await board.aggregate({ topic: TOPIC, aggregateId: 'a', limit: 100, payloads: false }));
  return told;
}

test('nothing secret stands in logs, errors, status, health, snapshots, spans, or what commands and tools tell', async () => {
  const said: string[] = [];
  const note = (value: unknown): void => {
    // Of undefined and functions there is no text.
    const text = JSON.stringify(value, (_key, one: unknown) =>
      typeof one === 'bigint' ? String(one) : one,
    ) as string | undefined;
    said.push(text ?? '');
  };
  const noteError = (error: unknown): void => {
    for (let one = error; one instanceof Error; one = one.cause)
      said.push(`${one.message} ${one.stack ?? ''}`);
    note(error);
  };
  const log = new KeptLines();
  const spans = new Spans();
  const address = (password: string): string => `nats://svc:${password}@127.0.0.1:${server.ports.client}`;
  const options = {
    servers: address(WORDS.address),
    topics: { [TOPIC]: { publish: { giveUpAfterMs: 1_000 } } },
    group: 'g',
    shutdown: { drainMs: 100 },
    tracing: { tracer: spans.tracer, aggregateId: true },
  };
  const app = await startApp({ options, publishers: [TOPIC], controllers: [Handler], logger: log });
  const publisher = publisherOf(app, TOPIC);
  const event = {
    aggregateId: 'a',
    type: 'T',
    payload: { card: WORDS.payload },
    headers: { authorization: WORDS.header },
  };
  await publisher.publish(event);
  await publisher.publish({ ...event, expectedSequence: 7 }).catch(noteError);
  await publisher.publish({ ...event, payload: { card: WORDS.payload, wrong: 1n } }).catch(noteError);
  const parked = app.get(ParkedAggregates);
  await eventually(
    'the aggregate to be parked',
    async () => (await parked.list({ topic: TOPIC })).length > 0,
  );
  note(await parked.list({ topic: TOPIC }));
  note(await app.get(AggregateTransportStatus).snapshot());
  note(await app.get(AggregateHealthIndicator).isHealthy('events'));
  for (const told of await toldByTools(app.get(AggregateOperations))) note(told);

  const inAddress = ['--server', address(WORDS.address)];
  const asOther = ['--server', server.url, '--user', 'other'];
  for (const args of [
    ['status', ...inAddress],
    ['status', '--json', ...asOther, '--password', WORDS.option],
    ['parked', 'list', ...inAddress],
    ['group', 'ask', TOPIC, 'g', '--json', ...inAddress],
    ['aggregate', 'show', 'a', '--topic', TOPIC, '--json', ...inAddress],
    ['doctor', '--json', ...inAddress],
    ['status', ...asOther, '--password', WORDS.guessed],
    ['status', '--server', address(WORDS.guessed)],
    ['status', ...inAddress, '--user', 'svc', '--password', WORDS.guessed],
    ['status', ...asOther, '--password', WORDS.guessed, '--token', WORDS.guessed],
  ]) {
    const { output, errors } = await runCommand({ args });
    said.push(output, errors);
  }
  const start = (wrong: object): Promise<void> =>
    startApp({ options: { ...options, ...wrong }, publishers: [TOPIC], logger: log }).then(
      (started) => started.close(),
      noteError,
    );
  await start({ servers: address(WORDS.guessed) });
  await start({ servers: server.url, connection: { user: 'other', pass: WORDS.guessed } });
  await start({ connection: { user: 'other', pass: WORDS.option } });
  await start({ servers: server.url, connection: { token: WORDS.guessed } });

  // What is said when the credentials are replaced, and of a publisher that has none any more.
  await server.reload(config('another'));
  await log.says(/CONNECTION_CLOSED/);
  await publisher.publish(event).catch(noteError);
  note(await app.get(AggregateTransportStatus).snapshot());
  note(await app.get(AggregateHealthIndicator).isHealthy('events'));
  await app.close();

  for (const { name, attributes, events, status, resource } of spans.all)
    note({ name, attributes, events, status, resource: resource.attributes });
  expect(spans.all.length).toBeGreaterThan(2);
  await spans.close();
  // Fields hold more than texts, and so do stacks. Those of the library's lines, and the lines of Nest.
  for (const line of log.kept) note(line);
  expect(log.kept.map(({ event }) => event)).toEqual(
    expect.arrayContaining(['aggregate-parked', 'credentials-refused', 'connection-closed']),
  );
  const all = [...log.lines, ...said];
  expect(all.length).toBeGreaterThan(25);
  expect(all.filter((text) => text.includes('zebra'))).toEqual([]);
}, 60_000);
