import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { eventually } from '../../support/eventually.js';
import { type Service, walkOn } from './walk.js';

/**
 * docs/operations/repairs.md, _`max_payload` lowered_: a server that is restarted with another `max_payload`, under a
 * service.
 */

const storeDir = mkdtempSync(join(tmpdir(), 'recipe-max-payload-'));
let server: NatsServer | undefined;
const { service: serviceOf } = walkOn(() => server!);

afterAll(async () => {
  await server?.stop();
  rmSync(storeDir, { recursive: true, force: true });
});

/** Restarts the server on its port and store: the service reconnects. */
async function withMaxPayload(bytes: number): Promise<void> {
  const port = server?.port;
  await server?.stop();
  server = await startNatsServer({
    storeDir,
    ...(port !== undefined && { port }),
    config: `max_payload: ${bytes}\n`,
  });
}

const LARGE_PAYLOAD = 1_048_576;
/** The least that leaves room for events beside their letters. */
const SMALL_PAYLOAD = 12 * 1_024;

test('events and letters above a lowered max_payload are refused by name, and stored once it is raised', async () => {
  await withMaxPayload(LARGE_PAYLOAD);
  const service = serviceOf('lowered');
  service.broken.add('a1');
  let open = (): void => undefined;
  const isLowered = new Promise<void>((resolve) => (open = resolve));
  service.gate = (event) => (event === 'a1' ? isLowered : undefined);
  await service.start();
  await service.publishLarge('a1', 100_000);
  await withMaxPayload(SMALL_PAYLOAD);
  await service.publish('b1');
  await service.hasHandled('b1');
  await expect(service.publishLarge('b2', 100_000)).rejects.toMatchObject({ code: 'EVENT_TOO_LARGE' });
  open();
  await service.says(/a parked event could not be stored, its aggregate waits: .*max_payload/);
  await service.publish('a2', 'b2');
  await service.hasHandled('b1', 'b2');
  await service.hasHealth('letters-refused', 'parked');
  await withMaxPayload(LARGE_PAYLOAD);
  await service.hasLetters('a', 2);
  await service.publishLarge('b3', 100_000);
  await service.hasHandled('b1', 'b2', 'b3');
  service.broken.clear();
  await service.retries('a');
  await service.hasHandled('b1', 'b2', 'b3', 'a1', 'a2');
  await service.hasHealth();
}, 60_000);

/** Ten aggregates whose handlers hang, and five whose handlers do not. */
const HANGING = 'abcdefghij';
/** After two hanging events a settled one: steps of 1 and 2 by turns, which take two bytes each in a position. */
const ROUND = 'abAcdBefCghDijE';

interface Hung {
  readonly service: Service;
  /** Lets the first event of one of them end. */
  readonly settleOne: () => void;
  readonly release: () => void;
}

/** A service whose position names ten unsettled events a round, and that has handled all it can. */
async function hang(topic: string, rounds: number): Promise<Hung> {
  await withMaxPayload(LARGE_PAYLOAD);
  const service = serviceOf(topic);
  let [settleOne, release] = [(): void => undefined, (): void => undefined];
  const isFirst = new Promise<void>((resolve) => (settleOne = resolve));
  const isReleased = new Promise<void>((resolve) => (release = resolve));
  service.gate = (event) => {
    if (event === 'a0') return isFirst;
    return HANGING.includes(event[0]!) ? isReleased : undefined;
  };
  await service.start();
  for (let n = 0; n < rounds; n++)
    await service.publishAll(Array.from(ROUND, (aggregateId) => `${aggregateId}${n}`));
  await eventually('the others to be handled', () => service.handled.length === 5 * rounds);
  return { service, settleOne, release };
}

/** Each aggregate's events were handled, in order, however often some of them. */
function expectAllInOrder({ handled }: Service, rounds: number): void {
  for (const aggregateId of ROUND) {
    const numbers = handled.filter((event) => event.startsWith(aggregateId)).map((event) => event.slice(1));
    expect([...new Set(numbers)]).toEqual(Array.from({ length: rounds }, (_, n) => String(n)));
  }
}

test('a position above half of a lowered max_payload pauses the intake until events are settled', async () => {
  const rounds = 450;
  const { service, settleOne, release } = await hang('paused', rounds);
  await withMaxPayload(SMALL_PAYLOAD);
  await service.publishAll(Array.from(ROUND, (aggregateId) => `${aggregateId}${rounds}`));
  await service.hasHealth('not-reading');
  await service.says(/health goes down, not-reading: .*at most half of max_payload/);
  expect(service.handled.length).toBeLessThan(rounds * ROUND.length);
  settleOne();
  release();
  await eventually('all to be handled', () => service.handled.length >= (rounds + 1) * ROUND.length);
  expectAllInOrder(service, rounds + 1);
  await service.hasHealth();
}, 60_000);

test('a position above a lowered max_payload halts its partition, which continues once it is raised and restarted', async () => {
  const rounds = 900;
  const { service, settleOne, release } = await hang('halted', rounds);
  await withMaxPayload(SMALL_PAYLOAD);
  await service.publishAll(['A', 'B'].map((aggregateId) => `${aggregateId}${rounds}`));
  await service.hasHealth('not-reading');
  settleOne();
  await service.says(/halts: .*expected its position to fit into a message/);
  await service.hasHealth('halted');
  await withMaxPayload(LARGE_PAYLOAD);
  release();
  await service.stop();
  await service.start();
  await service.publishAll(Array.from('abcdefghijCDE', (aggregateId) => `${aggregateId}${rounds}`));
  await eventually('all to be handled', () => new Set(service.handled).size === (rounds + 1) * ROUND.length);
  expectAllInOrder(service, rounds + 1);
  await service.hasHealth();
}, 60_000);
