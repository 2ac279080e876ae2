import { expect, test } from '@jest/globals';
import type { AggregateContext } from '#library/nest/handling/aggregate.context.js';
import { processingHooks } from '#library/nest/serving/processing-hooks.js';
import { recordedLog } from '../../consumer/handling/deliveries.js';

const context = {} as AggregateContext;
type Start = Parameters<typeof processingHooks>[0];

function fixture(start: Start, end?: () => unknown) {
  const log = recordedLog();
  let runs = 0;
  const hooks = processingHooks(start, () => end, log);
  const attempt = hooks(context, () => {
    runs++;
    return Promise.resolve('handled');
  });
  return { log, attempt, runs: () => runs };
}

test('a start hook that fails before the handler fails the attempt, whether at once or later', async () => {
  const throws: Start = () => {
    throw new Error('no span');
  };
  for (const start of [throws, (async () => Promise.reject(new Error('no span'))) as unknown as Start]) {
    const { attempt, runs } = fixture(start);
    await expect(attempt).rejects.toThrow('no span');
    expect(runs()).toBe(0);
  }
});

test('a start hook that fails after it has called the handler is logged, and the handler decides', async () => {
  const { attempt, log } = fixture((_id, _context, done) => {
    void done();
    throw new Error('span lost');
  });
  expect(await attempt).toBe('handled');
  expect(log.lines.filter((line) => line.includes('span lost'))).toHaveLength(1);
});

test('a start hook that asks for the handler twice gets one run', async () => {
  const { attempt, runs } = fixture((_id, _context, done) => {
    void done();
    void done();
  });
  expect([await attempt, runs()]).toEqual(['handled', 1]);
});

test('an end hook that fails is logged, and its failure reaches no one else', async () => {
  let ended: Promise<unknown> | undefined;
  const { attempt, log } = fixture(
    (_id, _context, done) => {
      ended = done();
    },
    () => Promise.reject(new Error('exporter away')),
  );
  expect(await attempt).toBe('handled');
  await ended;
  expect(log.lines.filter((line) => line.includes('exporter away'))).toHaveLength(1);
});
