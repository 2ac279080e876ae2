import { describe, expect, test } from '@jest/globals';
import type { HandlerRun } from '#library/consumer/handling/event-handlers.js';
import type { AggregateContext } from '#library/nest/handling/aggregate.context.js';
import { UnrecoverableError } from '#library/nest/handling/unrecoverable.error.js';
import { surround } from '#library/nest/serving/surround.js';
import type { Around } from '#library/transport/around.js';
import { hostileErrors, NONSENSE } from '../../../support/hostile.js';

const failed = { stage: 'handler', error: new RangeError('no stock'), unrecoverable: false } as const;

/** One attempt: what `around` does to a handler that ends so, and how often the handler ran. */
function attempt(around: Around, end: () => HandlerRun = () => undefined) {
  const abandoned: unknown[] = [];
  let isOwner = true;
  let runs = 0;
  const context = {
    mayStart: () => isOwner,
    abandon: (reason: unknown) => abandoned.push(reason),
  } as unknown as AggregateContext;
  const ended = surround(around, context, () => {
    runs++;
    return end();
  });
  return { ended, abandoned, runs: () => runs, loseLease: () => (isOwner = false) };
}

function deferred() {
  let end: (failure?: typeof failed) => void = () => undefined;
  const run = new Promise<typeof failed | undefined>((resolve) => (end = resolve));
  return { run: () => run, end };
}

describe('an attempt within consume.around', () => {
  test('ends at once if around hands back the promise of a handler that has ended', () => {
    const { ended, runs } = attempt((_context, next) => next());
    expect([ended, runs()]).toEqual([undefined, 1]);
  });

  test('ends when the handler and around have ended', async () => {
    const steps: string[] = [];
    const handler = deferred();
    const { ended } = attempt(async (_context, next) => {
      steps.push('before');
      await next();
      steps.push('after');
    }, handler.run);
    const end = Promise.resolve(ended).then(() => steps.push('ended'));
    steps.push('started');
    handler.end();
    await end;
    expect(steps).toEqual(['before', 'started', 'after', 'ended']);
  });

  test('gives around the error of the handler, and fails with it', async () => {
    const heard: unknown[] = [];
    const { ended } = attempt(
      (_context, next) => next().catch((error: unknown) => heard.push(error)),
      () => failed,
    );
    expect(await ended).toBe(failed);
    expect(heard).toEqual([failed.error]);
  });

  test('fails in its interceptor if around throws before next, and the handler does not run', async () => {
    const error = new TypeError('no trace');
    for (const around of [
      () => {
        throw error;
      },
      () => Promise.reject(error),
    ]) {
      const { ended, runs } = attempt(around);
      expect(await ended).toEqual({ stage: 'interceptor', error, unrecoverable: false });
      expect(runs()).toBe(0);
    }
  });

  test('fails in its interceptor if around throws after the handler', async () => {
    const error = new UnrecoverableError('commit refused');
    const { ended, runs } = attempt(async (_context, next) => {
      await next();
      throw error;
    });
    expect(await ended).toEqual({ stage: 'interceptor', error, unrecoverable: true });
    expect(runs()).toBe(1);
  });

  test('tells the error of the handler if around throws another; either may rule retries out', async () => {
    const { ended } = attempt(
      (_context, next) => next().catch((cause: unknown) => Promise.reject(new UnrecoverableError(cause))),
      () => failed,
    );
    expect(await ended).toEqual({ ...failed, unrecoverable: true });
  });

  test('fails if around ends without next, and a later next starts nothing', async () => {
    let late: () => Promise<void> = () => Promise.resolve();
    const { ended, runs } = attempt((_context, next) => void (late = next));
    expect(await ended).toMatchObject({ stage: 'interceptor', error: { code: 'HANDLER_NOT_CALLED' } });
    await expect(late()).rejects.toMatchObject({ code: 'HANDLER_NOT_CALLED' });
    expect(runs()).toBe(0);
  });

  test('runs the handler once, however often next is called', async () => {
    const handler = deferred();
    let again: () => Promise<void> = () => Promise.reject(new Error('not yet'));
    const { ended, runs } = attempt((_context, next) => {
      again = next;
      return Promise.all([next(), next()]);
    }, handler.run);
    handler.end();
    expect(await ended).toBeUndefined();
    await again();
    expect(runs()).toBe(1);
  });

  test('waits for the handler if around does not, and aborts its signal if around has failed', async () => {
    for (const [around, reasons] of [
      [(_context, next) => void next(), []],
      [
        (_context, next) => {
          void next();
          throw failed.error;
        },
        [failed.error],
      ],
    ] as [Around, unknown[]][]) {
      const handler = deferred();
      const { ended, abandoned } = attempt(around, handler.run);
      let hasEnded = false;
      const end = Promise.resolve(ended).then(() => (hasEnded = true));
      await new Promise((resolve) => setImmediate(resolve));
      expect([hasEnded, abandoned]).toEqual([false, reasons]);
      handler.end();
      await end;
    }
  });

  test('does not start the handler if the lease has ended before next', async () => {
    let go: () => void = () => undefined;
    const { ended, runs, loseLease } = attempt(async (_context, next) => {
      await new Promise<void>((resolve) => (go = resolve));
      await next();
    });
    loseLease();
    go();
    expect(await ended).toMatchObject({ stage: 'handler', error: { code: 'LEASE_LOST' } });
    expect(runs()).toBe(0);
  });

  test('survives every answer and every error of around', async () => {
    for (const answer of NONSENSE) {
      const { ended, runs } = attempt((_context, next) => [next(), answer()][1]);
      const failure = await ended;
      expect([undefined, 'interceptor']).toContain(failure?.stage);
      expect(runs()).toBe(1);
    }
    for (const error of hostileErrors()) {
      const { ended } = attempt(() => {
        throw error;
      });
      expect(await ended).toMatchObject({ stage: 'interceptor', unrecoverable: false });
    }
  });
});
