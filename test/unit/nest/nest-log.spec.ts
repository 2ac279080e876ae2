import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { ConsoleLogger, Logger } from '@nestjs/common';
import type { LoggedLine } from 'nestjs-aggregate-transport';
import { nestLog } from '#library/nest/nest-log.js';
import { hostileErrors } from '../../support/hostile.js';

const FIELDS = { topic: 'orders', group: 'billing', partition: 3, epoch: 7 };
const TEXT = 'topic "orders", group "billing", partition 3: lease lost';
const WHY = { ...FIELDS, aggregate: 'a', againInMs: 1_000, why: 'boom', errorName: 'Error' };

const log = nestLog('AggregateTransport');

/** What is written to the standard streams while the function runs. */
async function printed(run: () => void | Promise<void>): Promise<string[]> {
  const chunks: string[] = [];
  const keep = (chunk: unknown): boolean => chunks.push(String(chunk)) > 0;
  const spies = [process.stdout, process.stderr].map((out) =>
    jest.spyOn(out, 'write').mockImplementation(keep),
  );
  try {
    await run();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return chunks
    .join('')
    .split('\n')
    .filter((line) => line !== '');
}

function say(): void {
  log.write('lease-lost', { ...FIELDS, why: 'cut off' }, TEXT);
  log.write('transport-failed', WHY, 'it failed', new Error('boom'));
}

afterEach(() => void Logger.overrideLogger(new ConsoleLogger()));

describe("Nest's console logger", () => {
  test('prints lines of text as before, and no fields', async () => {
    Logger.overrideLogger(new ConsoleLogger({ colors: false }));
    const lines = await printed(say);
    expect(lines[0]).toMatch(
      / WARN \[AggregateTransport\] topic "orders", group "billing", partition 3: lease lost$/,
    );
    expect(lines[1]).toMatch(/ERROR \[AggregateTransport\] it failed$/);
    expect(lines[2]).toBe('Error: boom');
    expect(lines.join('\n')).not.toMatch(/\[object|epoch|lease-lost|undefined/);
  });

  test('prints fields as parameters in JSON', async () => {
    Logger.overrideLogger(new ConsoleLogger({ json: true }));
    const [first, second, ...rest] = (await printed(say)).map((line) => JSON.parse(line) as object);
    expect(rest).toEqual([]);
    expect(first).toMatchObject({
      ...{ level: 'warn', context: 'AggregateTransport', message: TEXT },
      params: { event: 'lease-lost', ...FIELDS, why: 'cut off' },
    });
    expect(second).toMatchObject({
      ...{ level: 'error', message: 'it failed', params: { event: 'transport-failed', ...WHY } },
      stack: expect.stringMatching(/^Error: boom\n\s+at /),
    });
  });

  test('puts them beside the message if it is told to', async () => {
    Logger.overrideLogger(new ConsoleLogger({ json: true, flattenParams: true }));
    const [first] = (await printed(say)).map((line) => JSON.parse(line) as object);
    expect(first).toMatchObject({ message: TEXT, event: 'lease-lost', ...FIELDS });
  });

  test('that takes no parameters, as before Nest 12, has them beside the message', async () => {
    Logger.overrideLogger(new ConsoleLogger({ json: true, structuredParams: false }));
    const [first, second, ...rest] = (await printed(say)).map((line) => JSON.parse(line) as object);
    expect(rest).toEqual([]);
    expect(first).toMatchObject({ level: 'warn', message: TEXT, event: 'lease-lost', ...FIELDS });
    expect(second).toMatchObject({ message: 'it failed', stack: expect.stringContaining('boom'), ...WHY });
  });

  test('drops what is below its levels', async () => {
    Logger.overrideLogger(new ConsoleLogger({ json: true, logLevels: ['warn'] }));
    const lines = await printed(() => {
      log.write('lease-held', FIELDS, 'held');
      log.write('connection-back', { server: 's' }, 'back');
    });
    expect(lines).toEqual([]);
  });
});

test.each(['Logger', 'NativeLogger'])(
  'the %s of nestjs-pino has fields, text and context in one record, also of what was said before it was there',
  async (kind) => {
    // It needs `require` of Nest, which Jest cannot do for a module of that kind.
    const { stdout } = await promisify(execFile)(process.execPath, [
      'dist/test/support/pino-worker.js',
      kind,
    ]);
    const lines = stdout.split('\n').filter((line) => line !== '');
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(records.filter(({ context }) => context === 'AggregateTransport')).toMatchObject([
      { level: 40, msg: TEXT, event: 'lease-lost', ...FIELDS, why: 'cut off' },
      { level: 50, msg: 'it failed', event: 'transport-failed', stack: expect.stringContaining('boom') },
      { level: 20, msg: 'held', event: 'lease-held', ...FIELDS },
    ]);
  },
);

describe('a logger of the application', () => {
  test('gets texts and contexts, as from Nest', () => {
    const said: unknown[][] = [];
    const keep = (...args: unknown[]): void => void said.push(args);
    Logger.overrideLogger({ log: keep, warn: keep, error: keep });
    say();
    log.write('lease-held', FIELDS, 'it has no debug');
    expect(said).toEqual([
      [TEXT, 'AggregateTransport'],
      ['it failed', expect.stringContaining('Error: boom\n'), 'AggregateTransport'],
    ]);
  });

  test('that has writeLine gets whole lines', () => {
    const said: (LoggedLine & { context: string })[] = [];
    const fail = (): never => {
      throw new Error('not called');
    };
    const writeLine = (line: LoggedLine, context: string): void => void said.push({ ...line, context });
    Logger.overrideLogger(Object.assign({ log: fail, warn: fail, error: fail }, { writeLine }));
    say();
    const context = 'AggregateTransport';
    expect(said).toMatchObject([
      { level: 'warn', event: 'lease-lost', fields: FIELDS, text: TEXT, context },
      { level: 'error', event: 'transport-failed', stack: expect.stringContaining('boom'), context },
    ]);
  });

  test('that is switched off hears nothing', async () => {
    Logger.overrideLogger(false);
    expect(await printed(say)).toEqual([]);
  });

  test('that throws costs its lines, is warned of once, and stops nothing', () => {
    const throws = (): never => {
      throw new Error('disk full');
    };
    Logger.overrideLogger({ log: throws, warn: throws, error: throws });
    const own = nestLog('AggregateTransport');
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    own.write('topic-opened', {}, 'a');
    own.write('connection-gone', {}, 'b');
    own.write('transport-failed', {}, 'c', new Error('d'));
    expect(warn.mock.calls).toEqual([
      [expect.stringContaining('disk full'), { type: 'AggregateTransportWarning' }],
    ]);
    warn.mockRestore();
  });

  test('gets the text alone of an error that cannot be read', () => {
    const lines: unknown[][] = [];
    const keep = (...args: unknown[]): void => void lines.push(args);
    Logger.overrideLogger({ log: keep, warn: keep, error: keep });
    for (const error of hostileErrors()) log.write('transport-failed', {}, 'it failed', error);
    expect(lines.every(([text]) => text === 'it failed')).toBe(true);
    expect(lines).toHaveLength(hostileErrors().length);
  });
});
