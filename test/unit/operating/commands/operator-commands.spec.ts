import { describe, expect, test } from '@jest/globals';
import { AggregateTransportError } from '#library/errors.js';
import { identityOf, type Marker } from '#library/records/marker.js';
import { type CommandResult, ParkedCommands } from '#library/operating/commands/operator-commands.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { deliveryOf } from '../../consumer/handling/deliveries.js';
import { FakeParkedPort, ParkedServer } from '../../parking/fake-parked-port.js';

const parked: Marker = {
  epoch: 1,
  state: 'parked',
  made: 0,
  reason: 'EXHAUSTED',
  error: 'Error: no stock',
  attempts: 3,
  sequence: 1,
  since: 0,
  crashes: 0,
};

/** An operator, and two parked aggregates with letters. */
function operator() {
  const server = new ParkedServer();
  const port = new FakeParkedPort(server);
  const clock = new ManualClock();
  let ids = 0;
  const commands = new ParkedCommands({ name: 'orders, billing', port, clock, newId: () => `c${++ids}` });
  for (const token of ['a', 'b']) {
    const marker = server.writeMarker(token, parked, 0)!;
    let after = 0;
    for (const sequence of [1, 2]) {
      const answer = server.append([deliveryOf({ sequence, token })], { marker, stream: 'then' }, after);
      if (answer.kind === 'stored') after = answer.position;
    }
  }
  return {
    server,
    port,
    clock,
    commands,
    /** What the owner of the aggregate writes. */
    change: (token: string, change: Partial<Marker>): void => {
      const found = server.marker(token)!;
      const marker = { ...found.marker, made: identityOf(found), command: undefined, ...change };
      server.writeMarker(token, marker as Marker, found.revision);
    },
    /** What has come of a command so far. */
    watch: (asked: Promise<CommandResult>): (() => unknown) => {
      let outcome: unknown;
      asked.then(
        (result) => (outcome = result),
        (error: unknown) => (outcome = error),
      );
      return () => outcome;
    },
  };
}

async function all<T>(letters: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const letter of letters) found.push(letter);
  return found;
}

describe('an operator sees', () => {
  test('the parked aggregates with the number of their letters', async () => {
    const { commands } = operator();
    expect(await commands.list()).toMatchObject([
      { token: 'a', letters: 2 },
      { token: 'b', letters: 2 },
    ]);
  });

  test('the letters of one aggregate in order, without those of other markers', async () => {
    const { commands, server } = operator();
    const after = server.letters('a').at(-1)!.position;
    server.append([deliveryOf({ sequence: 3, token: 'a' })], { marker: 99, stream: 'then' }, after);
    expect((await all(commands.letters('a'))).map((letter) => letter.note.sequence)).toEqual([1, 2]);
    expect(await all(commands.letters('none'))).toEqual([]);
  });

  test('skipped events, oldest first', async () => {
    const { commands, server } = operator();
    for (const sequence of [7, 8]) server.appendSkipped(deliveryOf({ sequence }), { stream: 'then' });
    expect((await all(commands.skipped())).map((letter) => letter.note.sequence)).toEqual([7, 8]);
  });
});

describe('a command', () => {
  test('is written into the marker, which keeps its identity, and names the letter it skips', async () => {
    const { commands, server, clock } = operator();
    const identity = identityOf(server.marker('a')!);
    void commands.command('a', 'skipHead', 1_000);
    await clock.settle(20);
    expect(server.marker('a')?.marker).toMatchObject({
      made: identity,
      command: { id: 'c1', kind: 'skipHead', position: server.letters('a')[0]!.position },
    });
  });

  test.each<[string, Partial<Marker> | undefined, CommandResult]>([
    ['the marker is gone', undefined, { outcome: 'unparked' }],
    ['the aggregate was parked again', { made: 99 }, { outcome: 'unparked' }],
    ['it is answered', { answer: { id: 'c1' } }, { outcome: 'parked' }],
    ['it failed', { answer: { id: 'c1', error: 'no' } }, { outcome: 'failed', error: 'no' }],
  ])('ends when %s', async (_what, change, result) => {
    const { commands, server, clock, watch, change: write } = operator();
    const outcome = watch(commands.command('a', 'retry', 1_000));
    await clock.advance(60);
    expect(outcome()).toBeUndefined();
    if (change === undefined) server.removeMarker(server.marker('a')!.revision);
    else write('a', change);
    await clock.advance(200);
    expect(outcome()).toEqual(result);
  });

  test('is unanswered if no owner takes it up in time, and running if its owner needs longer', async () => {
    const { commands, clock, watch, change, server } = operator();
    const unanswered = watch(commands.command('a', 'retry', 1_000));
    const running = watch(commands.command('b', 'retry', 1_000));
    await clock.advance(60);
    change('b', { state: 'retrying', command: { id: 'c2', kind: 'retry' } });
    await clock.advance(2_000);
    expect([unanswered(), running()]).toMatchObject([{ code: 'COMMAND_UNANSWERED' }, { outcome: 'running' }]);
    expect(server.marker('a')?.marker.command?.id).toBe('c1');
  });

  test('is announced again while no owner has taken it up', async () => {
    const { commands, clock, server } = operator();
    const heard: (string | undefined)[] = [];
    new FakeParkedPort(server).onMarker((_token, marker) => heard.push(marker.command?.id));
    void commands.command('a', 'retry', 10_000).catch(() => undefined);
    for (let ms = 0; ms < 5_500; ms += 100) {
      await clock.settle(10);
      await clock.advance(100);
    }
    expect(heard).toEqual(['c1', 'c1', 'c1']);
  });

  test('joins a command of the same kind that is under way, and waits for one of another kind', async () => {
    const { commands, clock, watch, change, server } = operator();
    const outcomes = [
      watch(commands.command('a', 'retry', 3_000)),
      watch(commands.command('a', 'retry', 3_000)),
      watch(commands.command('a', 'discard', 3_000)),
    ];
    await clock.advance(600);
    expect(server.marker('a')?.marker.command).toMatchObject({ kind: 'retry' });
    change('a', { answer: { id: server.marker('a')!.marker.command!.id, error: 'no' } });
    await clock.advance(1_000);
    expect(outcomes.slice(0, 2).map((outcome) => outcome())).toEqual([
      { outcome: 'failed', error: 'no' },
      { outcome: 'failed', error: 'no' },
    ]);
    expect(server.marker('a')?.marker.command).toMatchObject({ kind: 'discard' });
    server.removeMarker(server.marker('a')!.revision);
    await clock.advance(1_000);
    expect(outcomes[2]!()).toEqual({ outcome: 'unparked' });
  });

  const noAnswer = () =>
    Promise.reject(new AggregateTransportError('JETSTREAM_REQUEST_FAILED', 'expected an answer, found none'));

  test('is asked again while JetStream does not answer, before it is written and after', async () => {
    const { commands, port, clock, watch, server, change } = operator();
    const read = port.readMarker.bind(port);
    let isAway = true;
    port.readMarker = (token) => (isAway ? noAnswer() : read(token));
    const outcome = watch(commands.command('a', 'discard', 5_000));
    await clock.advance(1_000);
    expect([outcome(), server.marker('a')?.marker.command]).toEqual([undefined, undefined]);
    isAway = false;
    await clock.advance(600);
    expect(server.marker('a')?.marker.command).toMatchObject({ id: 'c1', kind: 'discard' });
    isAway = true;
    await clock.advance(1_000);
    change('a', { answer: { id: 'c1' } });
    isAway = false;
    await clock.advance(1_000);
    expect(outcome()).toEqual({ outcome: 'parked' });
  });

  test('fails with the reason if JetStream does not answer in time', async () => {
    const { commands, port, clock, watch } = operator();
    port.readMarker = noAnswer;
    const outcome = watch(commands.command('a', 'retry', 1_000));
    await clock.advance(2_000);
    expect(outcome()).toMatchObject({ code: 'JETSTREAM_REQUEST_FAILED' });
  });

  test.each<[string, (did: ReturnType<typeof operator>) => void, CommandResult]>([
    ['stands', () => undefined, { outcome: 'parked' }],
    ['was carried out', ({ change }) => change('a', { answer: { id: 'c1' } }), { outcome: 'parked' }],
    [
      'was the end of the marker',
      ({ server }) => server.removeMarker(server.marker('a')!.revision),
      { outcome: 'unparked' },
    ],
  ])('whose write had no answer, and which %s, is not given twice', async (_what, carryOut, result) => {
    const scene = operator();
    const { commands, port, clock, watch, server, change } = scene;
    const write = port.writeMarker.bind(port);
    let writes = 0;
    port.writeMarker = async (...call) => {
      writes++;
      await write(...call);
      carryOut(scene);
      return noAnswer();
    };
    const outcome = watch(commands.command('a', 'skipHead', 5_000));
    for (let passed = 0; passed < 700; passed += 100) await clock.advance(100);
    if (server.marker('a')?.marker.command !== undefined) change('a', { answer: { id: 'c1' } });
    for (let passed = 0; passed < 1_500; passed += 100) await clock.advance(100);
    expect([outcome(), writes]).toEqual([result, 1]);
  });

  test('for an aggregate that is not parked is refused', async () => {
    const { commands } = operator();
    await expect(commands.command('none', 'retry', 0)).rejects.toMatchObject({ code: 'NOT_PARKED' });
  });
});
