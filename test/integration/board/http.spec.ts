import { request } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { BoardHttpOptions } from '#board/http/board-http.js';
import { type SampleBoard, startSampleBoard } from '../../support/board/sample-board.js';
import { sample } from '../../support/board/sample-source.js';

const boards: SampleBoard[] = [];
afterEach(async () => {
  for (const board of boards.splice(0)) await board.close();
});

async function opened(options: Partial<BoardHttpOptions> = {}): Promise<SampleBoard> {
  const board = await startSampleBoard(options, sample());
  boards.push(board);
  return board;
}

interface Answered {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

/** As any program may ask, with any header. A stream of events is ended after its first bytes. */
function ask(
  board: SampleBoard,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answered> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, board.url), rest, (response) => {
      let text = '';
      const end = (): void => resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (
          response.headers['content-type']?.startsWith('text/event-stream') === true &&
          text.includes('event: view')
        ) {
          end();
          asked.destroy();
        }
      });
      response.on('end', end);
      response.on('error', () => undefined);
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

const RETRY = JSON.stringify({ kind: 'retry', topic: 'orders', group: 'billing', aggregateId: 'order-4711' });

async function session(board: SampleBoard): Promise<Record<string, string>> {
  const { headers, text } = await ask(board, '/');
  const [cookie] = headers['set-cookie'] as string[];
  const token = /name="board-csrf" content="([^"]+)"/.exec(text)![1]!;
  return {
    cookie: cookie!.split(';')[0]!,
    'x-aggregate-board-csrf': token,
    'content-type': 'application/json',
  };
}

describe('who is answered without a guard', () => {
  test.each([
    ['a foreign Host, as DNS rebinding brings it', { host: 'evil.example' }],
    ['a Host that begins like one of this machine', { host: '127.0.0.1.evil.example' }],
    ['a request that a proxy passes on', { 'x-forwarded-for': '127.0.0.1' }],
    ['a request that a proxy passes on, by the standard header', { forwarded: 'for=127.0.0.1' }],
    ['a script of another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }],
  ])('refuses %s with 403, on every path', async (_name, headers) => {
    const board = await opened();
    for (const path of ['/', '/live?view=overview', '/find?text=a', '/assets/x.js']) {
      const { status, text } = await ask(board, path, { headers });
      expect({ path, status, code: (JSON.parse(text) as { code: string }).code }).toEqual({
        path,
        status: 403,
        code: 'BOARD_FORBIDDEN',
      });
    }
    expect(board.sample.reads).toEqual({ overview: 0, group: 0, aggregate: 0 });
  });

  test.each(['localhost:4180', '127.0.0.1', '[::1]:80'])(
    'answers this machine by the Host %s',
    async (host) => {
      await expect(ask(await opened(), '/', { headers: { host } })).resolves.toMatchObject({ status: 200 });
    },
  );

  test('with a token, it is asked for on every path, and becomes a cookie', async () => {
    const token = 'a-token-of-this-test';
    const board = await opened({ access: { kind: 'token', token } });
    await expect(ask(board, '/')).resolves.toMatchObject({ status: 403 });
    await expect(ask(board, '/?token=another-token-of-it')).resolves.toMatchObject({ status: 403 });
    const { status, headers } = await ask(board, `/?token=${token}`);
    expect({ status, location: headers['location'] }).toEqual({ status: 303, location: './' });
    const [cookie] = headers['set-cookie'] as string[];
    expect(cookie).toContain('HttpOnly; SameSite=Strict');
    await expect(ask(board, '/', { headers: { cookie: cookie!.split(';')[0]! } })).resolves.toMatchObject({
      status: 200,
    });
    await expect(ask(board, '/', { headers: { authorization: `Bearer ${token}` } })).resolves.toMatchObject({
      status: 200,
    });
  });
});

describe('commands', () => {
  test('are taken from the page itself', async () => {
    const board = await opened();
    const headers = await session(board);
    await expect(ask(board, '/command', { method: 'POST', headers, body: RETRY })).resolves.toMatchObject({
      status: 202,
    });
    expect(board.sample.commands).toEqual(['retry order-4711']);
  });

  test.each([
    ['no token', { 'x-aggregate-board-csrf': '' }],
    ['another token', { 'x-aggregate-board-csrf': 'A'.repeat(43) }],
    ['no cookie', { cookie: '' }],
    ['another origin', { origin: 'http://evil.example' }],
    ['another site', { 'sec-fetch-site': 'same-site' }],
  ])('are refused with %s, and nothing is done', async (_name, change) => {
    const board = await opened();
    const headers = { ...(await session(board)), ...change };
    await expect(ask(board, '/command', { method: 'POST', headers, body: RETRY })).resolves.toMatchObject({
      status: 403,
    });
    expect(board.sample.commands).toEqual([]);
  });

  test.each([
    ['no JSON', '{'],
    ['another kind', JSON.stringify({ kind: 'purge', topic: 'a', group: 'b' })],
    ['no topic', JSON.stringify({ kind: 'retry', group: 'b', aggregateId: 'a' })],
    [
      'partitions that are no power of two',
      JSON.stringify({ kind: 'repartition', topic: 'a', group: 'b', to: 3 }),
    ],
    ['too many bytes', JSON.stringify({ kind: 'retry', topic: 'x'.repeat(20_000) })],
  ])('are refused with %s', async (_name, body) => {
    const board = await opened();
    const headers = await session(board);
    await expect(ask(board, '/command', { method: 'POST', headers, body })).resolves.toMatchObject({
      status: 400,
    });
    expect(board.sample.commands).toEqual([]);
  });

  test('are refused by a board that only shows', async () => {
    const board = await opened({ isReadOnly: true });
    const headers = await session(board);
    await expect(ask(board, '/command', { method: 'POST', headers, body: RETRY })).resolves.toMatchObject({
      status: 403,
    });
  });
});

test('every answer forbids inline code, foreign origins, frames and guessing of types', async () => {
  const board = await opened();
  const [, script = ''] = /src="(assets[^"]+)"/.exec((await ask(board, '/')).text)!;
  for (const path of ['/', `/${script}`, '/find?text=a', '/live?view=overview', '/nothing']) {
    const { headers } = await ask(board, path);
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'/,
    );
    expect(headers['content-security-policy']).not.toContain('unsafe');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['x-frame-options']).toBe('DENY');
  }
  await expect(ask(board, `/${script}`)).resolves.toMatchObject({
    headers: { 'cache-control': expect.stringContaining('immutable') },
  });
  await expect(ask(board, '/nothing')).resolves.toMatchObject({ status: 404 });
  await expect(ask(board, '/live?view=secrets')).resolves.toMatchObject({ status: 400 });
});

test('streams are bounded: one more than 64 is refused, and a place is free again when one ends', async () => {
  const board = await opened();
  const ends = await Promise.all(Array.from({ length: 64 }, () => held(board)));
  await expect(ask(board, '/live?view=overview')).resolves.toMatchObject({ status: 503 });
  ends[0]!();
  for (let tries = 0; ; tries++) {
    const { status } = await ask(board, '/live?view=overview');
    if (status === 200 || tries > 200) {
      expect(status).toBe(200);
      break;
    }
  }
  for (const end of ends) end();
});

function held(board: SampleBoard): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const asked = request(new URL('/live?view=overview', board.url), (response) => {
      response.on('error', () => undefined).resume();
      resolve(() => asked.destroy());
    });
    asked.on('error', reject);
    asked.end();
  });
}
