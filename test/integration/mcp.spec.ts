import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from '@jest/globals';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { AggregateHandler, AggregateId, UnrecoverableError } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { COMMAND_FILE } from '../support/command.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();
const open: { close(): Promise<unknown> }[] = [];

afterAll(async () => {
  for (const opened of open.splice(0).reverse()) await opened.close();
});

/** What a model would have: a client of the official SDK, and the command in a process of its own. */
async function connect(...flags: string[]) {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [COMMAND_FILE, 'mcp', '--server', server().url, ...flags],
      stderr: 'inherit',
    }),
  );
  open.push(client);
  const call = async (name: string, input: Record<string, unknown> = {}) => {
    const { content, isError } = await client.callTool({ name, arguments: input });
    const [{ text }] = content as [{ text: string }];
    return {
      isError: isError === true,
      text,
      value: isError === true ? undefined : (JSON.parse(text) as unknown),
    };
  };
  return { client, call };
}

test('a model finds the stuck aggregate, sees no payload, changes nothing, and retries it when that is allowed', async () => {
  let isMended = false;
  const handled: string[] = [];

  @Controller()
  class Handler {
    @AggregateHandler('orders')
    handle(@Payload() _payload: unknown, @AggregateId() id: string): void {
      if (id === 'stuck' && !isMended) throw new UnrecoverableError(new Error('card is blocked'));
      handled.push(id);
    }
  }
  const app = await startApp({
    options: { servers: server().url, group: 'billing', topics: { orders: {} } },
    publishers: ['orders'],
    controllers: [Handler],
  });
  open.push(app);
  const publisher = publisherOf(app, 'orders');
  for (const aggregateId of ['fine', 'stuck', 'stuck'])
    await publisher.publish({ aggregateId, type: 'Placed', payload: { card: 'SECRET-4711' } });

  const { client, call } = await connect();
  const manifest = JSON.parse(readFileSync('libs/aggregate-transport/package.json', 'utf8')) as object;
  expect(manifest).toMatchObject(client.getServerVersion() ?? {});
  expect(client.getServerVersion()).toMatchObject({ name: 'nestjs-aggregate-transport' });
  const { tools } = await client.listTools();
  expect(tools.every(({ annotations }) => annotations?.readOnlyHint === true)).toBe(true);
  expect(tools.map(({ name }) => name)).not.toContain('retry_parked');

  const at = { topic: 'orders', group: 'billing' };
  await eventually('the parked aggregate', async () =>
    (await call('list_parked', at)).text.includes('"letters":2'),
  );
  expect((await call('list_topics')).value).toMatchObject([{ topic: 'orders', events: 3, aggregates: 2 }]);
  expect((await call('list_groups')).value).toMatchObject([{ ...at, parked: 1, letters: 2, lag: 0 }]);
  // Health looks once a second.
  await eventually('health to name it', async () =>
    (await call('show_group', at)).text.includes('"code":"parked"'),
  );
  const shown = await call('show_group', at);
  expect(shown.value).toMatchObject({
    group: { condition: 'living', owned: 1 },
    live: { isComplete: true, problems: [{ code: 'parked' }] },
  });
  const parked = await call('list_parked', at);
  expect(parked.value).toMatchObject({
    aggregates: [{ aggregateId: 'stuck', error: expect.stringContaining('card is blocked') }],
  });
  const history = await call('show_aggregate', { topic: 'orders', aggregateId: 'stuck' });
  expect(history.text).toContain('card is blocked');
  const letters = await call('show_letters', { ...at, aggregateId: 'stuck' });
  expect(letters.value).toMatchObject({ letters: [{ type: 'Placed' }, { type: 'Placed' }] });
  expect((await call('search_aggregates', { text: 'stu' })).text).toContain('stuck');
  for (const { text } of [shown, parked, history, letters]) expect(text).not.toContain('SECRET');

  for (const [name, input, why] of [
    ['retry_parked', { ...at, aggregateId: 'stuck' }, '--allow-commands'],
    ['show_group', { topic: 'orders' }, 'expected "group" to be a text'],
    ['show_group', { topic: 'orders', group: 'unknown' }, 'GROUP_UNKNOWN'],
    ['list_parked', { ...at, limit: 1_000 }, 'from 1 to 200'],
    ['search_aggregates', { text: 7 }, 'to be a text, found number'],
    ['drop_everything', {}, 'expected a tool that this server offers'],
  ] as const) {
    const answer = await call(name, input);
    expect([name, answer.isError, answer.text]).toEqual([name, true, expect.stringContaining(why)]);
  }

  const commands = await connect('--allow-commands', '--payloads');
  const offered = await commands.client.listTools();
  expect(
    offered.tools.filter(({ annotations }) => annotations?.destructiveHint === true).map(({ name }) => name),
  ).toEqual(['skip_parked', 'discard_parked']);
  const secret = await commands.call('show_letters', { ...at, aggregateId: 'stuck' });
  expect(secret.text).toContain('SECRET-4711');
  isMended = true;
  const retried = await commands.call('retry_parked', { ...at, aggregateId: 'stuck' });
  expect(retried.value).toEqual({ outcome: 'unparked' });
  expect(handled).toEqual(['fine', 'stuck', 'stuck']);
});
