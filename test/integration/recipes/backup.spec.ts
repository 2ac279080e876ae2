import { expect, test } from '@jest/globals';
import type { NatsConnection } from 'nats';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { backUp, restore, type StreamBackup } from '../../support/stream-backup.js';
import { type Service, walkOn } from './walk.js';

// Needs `npm run build`: the command is built code.

/**
 * docs/operations/backup.md, with what `nats stream backup` and `nats stream restore` ask of the server.
 * Each row of its table: what follows when a stream is lost, or restored alone, and what its remedy does.
 */

const { service: serviceOf, operator, reset } = walkOn(serverForAll());

const LEASES = 'KV_aggregate-transport';
const MARKERS = 'KV_aggregate-transport-parked';

/** Backups of the five streams of a topic, taken while its group was stopped. */
class Backup {
  private constructor(
    private readonly nats: NatsConnection,
    private readonly streams: Map<string, StreamBackup>,
  ) {}

  static async of(topic: string): Promise<Backup> {
    const backup = await Backup.begin();
    for (const stream of [topic, `${topic}_positions`, `${topic}_parked`, LEASES, MARKERS])
      await backup.add(stream);
    return backup;
  }

  static async begin(): Promise<Backup> {
    return new Backup(await operator(), new Map());
  }

  async add(stream: string): Promise<void> {
    this.streams.set(stream, await backUp(this.nats, stream));
  }

  async lose(stream: string): Promise<void> {
    await (await this.nats.jetstreamManager()).streams.delete(stream);
  }

  /** Restores the named streams in place of those that are there; all five without a name. */
  async restore(...streams: string[]): Promise<void> {
    const { streams: manager } = await this.nats.jetstreamManager();
    for (const stream of streams.length === 0 ? this.streams.keys() : streams) {
      await manager.delete(stream).catch(() => undefined);
      await restore(this.nats, stream, this.streams.get(stream)!);
    }
  }

  async restoreAllBut(...streams: string[]): Promise<void> {
    await this.restore(...[...this.streams.keys()].filter((stream) => !streams.includes(stream)));
  }
}

/** `b1` is handled, `a2` and `a3` are letters; then a backup, and `b2` and `a4` after it. Ends stopped. */
async function withBackup(topic: string): Promise<{ service: Service; backup: Backup }> {
  const service = serviceOf(topic);
  service.broken.add('a2');
  await service.start();
  await service.publish('a1', 'a2', 'a3', 'b1');
  await service.hasHandled('a1', 'b1');
  await service.hasLetters('a', 2);
  await service.stop();
  const backup = await Backup.of(topic);
  await service.start();
  await service.publish('b2', 'a4');
  await service.hasHandled('a1', 'b1', 'b2');
  await service.hasLetters('a', 3);
  await service.stop();
  service.handled = [];
  service.broken.clear();
  return { service, backup };
}

test('all five, restored together: the group continues where the backup was taken, with its letters', async () => {
  const { service, backup } = await withBackup('all-five');
  await backup.restore();
  await service.start();
  await service.publish('b3');
  await service.hasHandled('b3');
  await service.hasLetters('a', 2);
  await service.publish('a5');
  await service.retries('a');
  await service.hasHandled('b3', 'a2', 'a3', 'a5');
  await service.hasHealth();
});

test('all five, taken while events flow: with the positions first and the topic last nothing is lost', async () => {
  const topic = 'while-running';
  const service = serviceOf(topic);
  service.broken.add('b1');
  await service.start();
  await service.publish('a1');
  await service.hasHandled('a1');
  const backup = await Backup.begin();
  await backup.add(`${topic}_positions`);
  await service.publish('a2', 'b1');
  await service.hasLetters('b', 1);
  await backup.add(MARKERS);
  await service.publish('b2');
  await service.hasLetters('b', 2);
  await backup.add(`${topic}_parked`);
  await service.publish('a3', 'b3');
  await backup.add(LEASES);
  await service.publish('a4');
  await service.hasHandled('a1', 'a2', 'a3', 'a4');
  await backup.add(topic);
  await service.stop();
  await backup.restore();
  service.handled = [];
  service.broken.clear();
  await service.start();
  await service.hasHandled('a2', 'a3', 'a4');
  // Letters of the backup, and events that come again because the position is older: twice at most, in order.
  await eventually('the letters', async () => {
    const [found] = await service.parked.list({ topic });
    return found !== undefined && found.letters >= 3;
  });
  await service.retries('b');
  await service.hasHealth();
  expect([...new Set(service.handledOf('b'))]).toEqual(['b1', 'b2', 'b3']);
  expect(service.handledOf('b').at(-1)).toBe('b3');
  // A letter that comes twice has one position, so a guard lets it take effect once, in order.
  expect(service.effects.filter((event) => event.startsWith('b'))).toEqual(['b1', 'b2', 'b3']);
  expect(service.effects.filter((event) => event.startsWith('a'))).toEqual(['a1', 'a2', 'a3', 'a4']);
});

test('the topic, to an earlier time: the partition halts; the other four from the same backup make it whole', async () => {
  const { service, backup } = await withBackup('topic-earlier');
  await backup.restore('topic-earlier');
  await service.start();
  await service.says(/error .*halts: .*the stream ends before a sequence that was handled/s);
  await service.hasHealth('halted');
  await service.stop();
  await backup.restoreAllBut('topic-earlier');
  await service.start();
  await service.publish('b3');
  await service.hasHandled('b3');
  await service.hasLetters('a', 2);
});

test('the topic, to an earlier time, and other events since: the partition halts; a reset begins a new run', async () => {
  const { service, backup } = await withBackup('topic-differs');
  await backup.restore('topic-differs');
  await service.start();
  await service.hasHealth('halted');
  await service.publish('c1', 'c2', 'c3');
  await service.stop();
  await service.start();
  await service.hasHealth('halted');
  expect(service.handled).toEqual([]);
  await service.stop();
  await reset('topic-differs', 'start');
  await service.start();
  // Letters that name the stream's old time of creation do not fall by the reset: their aggregate is retried.
  await eventually('the others', () =>
    ['b1', 'c1', 'c2', 'c3'].every((event) => service.handled.includes(event)),
  );
  if ((await service.healthCodes()).includes('parked')) await service.retries('a');
  await eventually('the parked one', () =>
    ['a1', 'a2', 'a3'].every((event) => service.handled.includes(event)),
  );
  await service.hasHealth();
  expect(service.run).toBe(1);
});

test('the topic, deleted and made again: a new run from its first event, and letters of the old one come back', async () => {
  const { service, backup } = await withBackup('topic-again');
  await backup.lose('topic-again');
  await service.start();
  await service.publish('b3');
  await service.hasHandled('b3');
  expect(service.run).toBe(1);
  await service.hasLetters('a', 3);
  await service.publish('a5');
  await service.retries('a');
  await service.hasHandled('b3', 'a2', 'a3', 'a4', 'a5');
  await service.hasHealth();
});

test('positions, lost: commits fail, a start ends, and restored ones repeat in order what came after them', async () => {
  const { service, backup } = await withBackup('positions');
  await service.start();
  await service.publish('b3');
  await service.hasHandled('b3');
  await backup.lose('positions_positions');
  await service.publish('b4');
  await service.hasHandled('b3', 'b4');
  await service.hasHealth('not-committing', 'parked', 'settings-changed');
  await service.stop();
  await expect(service.start()).rejects.toMatchObject({ code: 'RECORD_MISSING' });
  await backup.restore('positions_positions');
  service.handled = [];
  await service.start();
  await service.hasHandled('b2', 'b3', 'b4');
  await service.hasLetters('a', 3);
});

test('positions, to an earlier time, under an owner that runs: it writes its newer position, and nothing is repeated', async () => {
  const topic = 'positions-running';
  const { service, backup } = await withBackup(topic);
  await service.start();
  await service.publish('b3');
  await service.hasHandled('b3');
  await backup.restore(`${topic}_positions`);
  await service.publish('b4');
  await service.hasHandled('b3', 'b4');
  await service.stop();
  await service.start();
  await service.publish('b5');
  await service.hasHandled('b3', 'b4', 'b5');
  await service.hasHealth('parked');
});

test('positions, lost: a reset begins again where it is told to', async () => {
  const { service, backup } = await withBackup('positions-reset');
  await backup.lose('positions-reset_positions');
  await expect(service.start()).rejects.toMatchObject({ code: 'RECORD_MISSING' });
  await reset('positions-reset', 'start');
  await service.start();
  await eventually('all to be handled', () => service.handled.length === 6);
  expect(service.handledOf('a')).toEqual(['a1', 'a2', 'a3', 'a4']);
  expect(service.handledOf('b')).toEqual(['b1', 'b2']);
});

test('letters, lost: their events are not handled, and their aggregate continues; restored first, nothing is lost', async () => {
  const { service, backup } = await withBackup('letters');
  await backup.lose('letters_parked');
  await backup.restore('letters_parked');
  await service.start();
  await service.hasLetters('a', 2);
  await service.stop();
  await backup.lose('letters_parked');
  await service.start();
  await service.publish('a5');
  await service.hasHandled('a5');
  expect(await service.parked.list({ topic: 'letters' })).toEqual([]);
});

test('letters, to an earlier time: those handled since are handled again', async () => {
  const { service, backup } = await withBackup('letters-earlier');
  await service.start();
  await service.retries('a');
  await service.hasHandled('a2', 'a3', 'a4');
  await service.stop();
  await backup.restore('letters-earlier_parked', MARKERS);
  service.handled = [];
  await service.start();
  await service.hasLetters('a', 2);
  await service.retries('a');
  await service.hasHandled('a2', 'a3');
});

test('leases, to an earlier time: nothing is repeated, and tokens continue above those in the positions', async () => {
  const { service, backup } = await withBackup('leases');
  const before = service.token;
  await backup.restore(LEASES);
  await service.start();
  await service.publish('b3');
  await service.hasHandled('b3');
  expect(service.token).toBeGreaterThan(before);
});

test('markers, lost: letters are reported and later events handled before them; restored first, nothing is', async () => {
  const { service, backup } = await withBackup('markers');
  await backup.lose(MARKERS);
  await backup.restore(MARKERS);
  await service.start();
  await service.hasLetters('a', 3);
  await service.stop();
  await backup.lose(MARKERS);
  await service.start();
  await service.says(/error .*letters of 1 aggregates, "a" for one, have no marker/);
  expect(await service.parked.list({ topic: 'markers' })).toEqual([]);
  await service.publish('a5');
  await service.hasHandled('a5');
});

test('markers, to an earlier time: letters of aggregates that were parked since are reported; all five make it whole', async () => {
  const topic = 'markers-earlier';
  const { service, backup } = await withBackup(topic);
  service.broken.add('c1');
  await service.start();
  await service.publish('c1', 'c2');
  await service.hasLetters('c', 2);
  await service.stop();
  service.broken.clear();
  await backup.restore(MARKERS);
  await service.start();
  await service.says(/error .*letters of 1 aggregates, "c" for one, have no marker/);
  await service.publish('c3');
  await service.hasHandled('c3');
  await service.hasLetters('a', 3);
  expect(await service.parked.list({ topic })).toHaveLength(1);
  await service.stop();
  await backup.restore();
  service.handled = [];
  await service.start();
  await service.hasLetters('a', 2);
  await service.retries('a');
  await service.publish('b3');
  await service.hasHandled('a2', 'a3', 'b3');
  await service.hasHealth();
});

test('markers, to an earlier time: an aggregate that was retried since continues, and its marker falls', async () => {
  const topic = 'markers-retried';
  const { service, backup } = await withBackup(topic);
  await service.start();
  await service.retries('a');
  await service.hasHandled('a2', 'a3', 'a4');
  await service.stop();
  await backup.restore(MARKERS);
  await service.start();
  await service.publish('a5');
  await service.hasHandled('a2', 'a3', 'a4', 'a5');
  await service.hasHealth();
});
