import { expect, test } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { ParkedAggregates } from 'nestjs-aggregate-transport';
import { diesWithParent } from '#library/verifying/harness/dies-with-parent.js';
import { publisherOf, startApp } from '../support/app.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();

/** A worker process; resolves with what it printed, and how it ended. */
async function runWorker(
  untilHandled: number,
  ...fixed: readonly 'fixed'[]
): Promise<{ lines: string[]; code: number | null }> {
  const child: ChildProcess = spawn(
    process.execPath,
    ['dist/test/support/poison-worker.js', server().url, String(untilHandled), ...fixed],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  diesWithParent(child);
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return { lines: output.split('\n').filter((line) => line !== ''), code };
}

test('an event whose handler ends the process is parked with its followers after the configured starts, and comes back', async () => {
  const app = await startApp({
    options: { servers: server().url, group: 'poison', topics: { poison: {} } },
    publishers: ['poison'],
  });
  const publisher = publisherOf(app, 'poison');
  const aggregates = ['before', 'poisoned', 'after'];
  for (let n = 1; n <= 4; n++) {
    for (const aggregateId of aggregates) {
      const exits = aggregateId === 'poisoned' && n === 2;
      await publisher.publish({ aggregateId, type: exits ? 'Poison' : 'Fine', payload: { n } });
    }
  }

  // Eight events of the neighbours and one of the poisoned aggregate can be handled; the worker then ends by itself.
  const handled = new Set<string>();
  let deaths = 0;
  for (let run = 0; run < 8; run++) {
    const { lines, code } = await runWorker(9 - handled.size);
    for (const line of lines.filter((text) => text.startsWith('handled '))) {
      handled.add(line);
    }
    if (code === 0) break;
    deaths++;
  }
  expect(handled.size).toBe(9);
  expect([...handled].filter((line) => line.includes('poisoned'))).toEqual(['handled poisoned 1']);
  // Two deaths raise the suspicion. Then the event is started three times, as attempts: 3 allows, the last two alone.
  expect(deaths).toBe(5);
  const parked = app.get(ParkedAggregates);
  expect(await parked.list({ topic: 'poison' })).toMatchObject([
    { aggregateId: 'poisoned', state: 'parked', reason: 'CRASHED', letters: 3 },
  ]);

  const [{ lines }, result] = await Promise.all([
    runWorker(3, 'fixed'),
    parked.retry({ topic: 'poison', aggregateId: 'poisoned' }),
  ]);
  expect(result).toEqual({ outcome: 'unparked' });
  expect(lines).toEqual(['handled poisoned 2', 'handled poisoned 3', 'handled poisoned 4']);
  expect(await parked.list({ topic: 'poison' })).toEqual([]);
  await app.close();
}, 90_000);
