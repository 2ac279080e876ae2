import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { startNatsServer } from 'nestjs-aggregate-transport/testing';
import { eventually } from '../../support/eventually.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { Child } from '../harness/child.js';
import { readStored } from '../oracle/stored.js';
import { OutboxTable } from './outbox-table.js';

const AGGREGATES = 10;
const ROWS = 6_000;
/** Shares of the rows at which something happens. */
const [DEAF_AT, FIRST_KILL_AT, SECOND_KILL_AT] = [0.1, 0.3, 0.7];

test('results$ drives an outbox: through lost answers and two kills every row is in the stream once and in order, and marked only if it is', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'outbox-'));
  const server = await startNatsServer({ config: '' });
  const proxy = await TcpProxy.listen(server.port);
  const table = new OutboxTable(folder);
  try {
    for (let index = 0; index < ROWS; index++) {
      const n = Math.floor(index / AGGREGATES) + 1;
      const aggregateId = `key-${index % AGGREGATES}`;
      table.insert({ id: `${aggregateId}-${n}`, aggregateId, n });
    }
    const start = (): Child =>
      new Child('publisher/outbox-worker.js', {
        env: { FAULT_OUTBOX: JSON.stringify({ url: proxy.url, folder }) },
        errors: join(folder, 'worker.err'),
      });
    const marked = (share: number) => (): boolean => table.marks().length >= ROWS * share;
    let relay = start();
    await eventually('the first marks', marked(DEAF_AT));
    // Longer than it takes to give up: the heads become unknown, and are stored.
    proxy.blackhole('s2c');
    await new Promise((resolve) => setTimeout(resolve, 2_200));
    proxy.heal();
    for (const share of [FIRST_KILL_AT, SECOND_KILL_AT]) {
      await eventually(`${share} of the marks`, marked(share));
      relay.signal('SIGKILL');
      await relay.exited;
      expect(table.unpublished().length).toBeGreaterThan(0);
      relay = start();
    }
    expect(await relay.exited).toBe('code 0');
    const stored = await readStored(server.url);
    const sequenceOf = new Map(stored.map(({ key, n, seq }) => [`${key}-${n}`, seq]));
    expect(stored).toHaveLength(ROWS);
    for (let index = 0; index < AGGREGATES; index++) {
      const numbers = stored.filter(({ key }) => key === `key-${index}`).map(({ n }) => n);
      expect(numbers).toEqual(Array.from({ length: ROWS / AGGREGATES }, (_, n) => n + 1));
    }
    expect(table.unpublished()).toEqual([]);
    for (const { id, sequence } of table.marks()) expect([id, sequence]).toEqual([id, sequenceOf.get(id)]);
  } finally {
    table.close();
    await proxy.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
