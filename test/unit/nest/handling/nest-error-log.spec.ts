import { afterEach, expect, test } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { BaseRpcExceptionFilter } from '@nestjs/microservices';
import { notePassing, silenceNestErrorLog } from '#library/nest/handling/nest-error-log.js';
import { CapturedLog } from '../../../support/captured-log.js';

afterEach(() => {
  Logger.overrideLogger(false);
});

function lastFilter(): { log: CapturedLog; fail: (error: unknown) => void } {
  const log = new CapturedLog();
  Logger.overrideLogger(log);
  silenceNestErrorLog();
  silenceNestErrorLog();
  const filter = new BaseRpcExceptionFilter();
  return { log, fail: (error) => void filter.catch(error, undefined as never) };
}

test("Nest's own log leaves out the error that passes through a pipeline of ours, and that alone", () => {
  const { log, fail } = lastFilter();
  const ours = new RangeError('ours');
  notePassing(ours);
  fail(new TypeError('of another transport'));
  fail(ours);
  expect(log.lines).toEqual(['error TypeError: of another transport']);
});

test('an error that has passed is logged again if another transport throws it', async () => {
  const { log, fail } = lastFilter();
  const shared = new RangeError('shared');
  notePassing(shared);
  await Promise.resolve();
  fail(shared);
  expect(log.lines).toEqual(['error RangeError: shared']);
});
