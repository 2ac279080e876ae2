import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { startNatsServer } from 'nestjs-aggregate-transport/testing';
import { startApp } from '../src/start-app.js';

const WITHIN_MS = 20_000;

async function call(
  url: string,
  body?: object,
): Promise<{ status: number; body: { total?: number; closed?: string } }> {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
  const response = await fetch(url, body === undefined ? {} : init);
  return { status: response.status, body: (await response.json()) as { total?: number; closed?: string } };
}

// A nats-server of its own, found or fetched; or the one that NATS_URL names.
test('on a real server every event that HTTP took is handled, in order', async () => {
  const server = await startNatsServer();
  process.env['NATS_URL'] = server.url;
  const app = await startApp(0);
  try {
    const url = `${(await app.getUrl()).replace('[::1]', 'localhost')}/orders/${randomUUID()}`;
    assert.equal((await call(`${url}/open`, { owner: 'Ada' })).status, 202);
    for (let amount = 1; amount <= 10; amount++) await call(`${url}/add`, { amount });
    await call(`${url}/close`, { reason: 'done' });
    const until = Date.now() + WITHIN_MS;
    let found = await call(url);
    while (found.body.closed === undefined && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      found = await call(url);
    }
    assert.deepEqual(found.body, { owner: 'Ada', total: 55, closed: 'done' });
  } finally {
    await app.close();
    await server.stop();
  }
});
