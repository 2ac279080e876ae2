import { expect, test } from '@jest/globals';
import { type BoardCommand, boardCommandOf } from '#board/commands/board-command.js';
import { MAX_RUNNING, RunningCommands } from '#board/commands/running-commands.js';
import type { BoardSource, CommandEnd } from '#board/source/board-source.js';
import { ManualClock, settled } from '../live/manual-clock.js';

const retry = (aggregateId: string): BoardCommand => ({ kind: 'retry', topic: 't', group: 'g', aggregateId });

function world() {
  const ends: ((end: CommandEnd) => void)[] = [];
  const lines: string[] = [];
  const clock = new ManualClock();
  const source = { retry: () => new Promise<CommandEnd>((resolve) => ends.push(resolve)) };
  const commands = new RunningCommands({
    ...{ source: source as unknown as BoardSource, clock, changed: () => undefined },
    log: { info: (text) => lines.push(text), warn: (text) => lines.push(text) },
  });
  return { commands, ends, lines, clock };
}

test('the same command while it runs is one command', async () => {
  const { commands, ends } = world();
  expect(commands.start(retry('a'))).toBe(commands.start(retry('a')));
  expect(commands.start(retry('b'))).not.toBe(commands.start(retry('a')));
  await settled();
  expect(ends).toHaveLength(2);
});

test('refuses more than it may run, and takes one again when one has ended', async () => {
  const { commands, ends } = world();
  for (let n = 0; n < MAX_RUNNING; n++) commands.start(retry(`a${n}`));
  expect(() => commands.start(retry('more'))).toThrow(expect.objectContaining({ code: 'BOARD_BUSY' }));
  await settled();
  ends[0]!({ isDone: true, text: 'it is live again' });
  await settled();
  expect(commands.start(retry('more'))).toBeGreaterThan(0);
});

test('shows and logs how a command ended, and forgets it after ten minutes', async () => {
  const { commands, ends, lines, clock } = world();
  commands.start(retry('a'));
  await settled();
  ends[0]!({ isDone: false, text: 'the first letter failed again' });
  await settled();
  expect(commands.list()).toMatchObject([{ state: 'failed', text: 'the first letter failed again' }]);
  expect(lines.at(-1)).toBe(
    'not done: retry aggregate "a" of group "g" on topic "t": the first letter failed again',
  );
  await clock.pass(600_001);
  expect(commands.list()).toEqual([]);
});

test.each([
  [{ kind: 'rewind', topic: 't', group: 'g', to: { kind: 'time', time: -1 } }],
  [{ kind: 'rewind', topic: 't', group: 'g', to: { kind: 'sequence', sequence: 0 } }],
  [{ kind: 'rewind', topic: 't', group: 'g', to: 'start' }],
  [{ kind: 'repartition', topic: 't', group: 'g', to: 512 }],
  [{ kind: 'constructor', topic: 't', group: 'g' }],
  [[]],
  [null],
])('refuses %j', (body) => {
  expect(() => boardCommandOf(body)).toThrow(expect.objectContaining({ code: 'BOARD_REQUEST_INVALID' }));
});
