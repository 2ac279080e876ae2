import { expect, jest, test } from '@jest/globals';
import { nestLog } from '#library/nest/nest-log.js';
import { hostileErrors } from '../../support/hostile.js';

test('a logger that throws costs its lines, is warned of once, and stops nothing', () => {
  const throws = (): never => {
    throw new Error('disk full');
  };
  const log = nestLog({ log: throws, warn: throws, error: throws });
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  log.write('topic-opened', {}, 'a');
  log.write('connection-gone', {}, 'b');
  log.write('transport-failed', {}, 'c', new Error('d'));
  expect(warn.mock.calls).toEqual([
    [expect.stringContaining('disk full'), { type: 'AggregateTransportWarning' }],
  ]);
  warn.mockRestore();
});

test('an error that cannot be read reaches the logger as its text alone', () => {
  const lines: unknown[][] = [];
  const keep = (...args: unknown[]): void => void lines.push(args);
  const log = nestLog({ log: keep, warn: keep, error: keep });
  for (const error of hostileErrors()) log.write('transport-failed', {}, 'it failed', error);
  expect(lines.every(([text]) => text === 'it failed')).toBe(true);
  expect(lines).toHaveLength(hostileErrors().length);
});
