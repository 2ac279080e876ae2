import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import {
  AggregateHandler,
  AggregateHealthIndicator,
  AggregateTransportStatus,
  ParkedAggregates,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { BareServer } from '../../support/bare-server.js';
import { runCommand } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';
import { KeptLines } from '../../support/kept-lines.js';

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

test('nothing secret stands in lines and fields of the log, errors, status, health, snapshots or the output of commands', async () => {
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
  const address = (password: string): string => `nats://svc:${password}@127.0.0.1:${server.ports.client}`;
  const options = {
    servers: address(WORDS.address),
    topics: { [TOPIC]: { publish: { giveUpAfterMs: 1_000 } } },
    group: 'g',
    shutdown: { drainMs: 100 },
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

  const inAddress = ['--server', address(WORDS.address)];
  const asOther = ['--server', server.url, '--user', 'other'];
  for (const args of [
    ['status', ...inAddress],
    ['status', '--json', ...asOther, '--password', WORDS.option],
    ['parked', 'list', ...inAddress],
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

  // Fields hold more than texts, and so do stacks. Those of the library's lines, and the lines of Nest.
  for (const line of log.kept) note(line);
  expect(log.kept.map(({ event }) => event)).toEqual(
    expect.arrayContaining(['aggregate-parked', 'credentials-refused', 'connection-closed']),
  );
  const all = [...log.lines, ...said];
  expect(all.length).toBeGreaterThan(25);
  expect(all.filter((text) => text.includes('zebra'))).toEqual([]);
}, 60_000);
