import { expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { type Service, walkOn } from './walk.js';

/**
 * docs/operations/repairs.md, _A full parked stream_, with an ordinary client: `nats stream edit` is a request to
 * update a stream, `parked retry` and `parked discard` are calls of `ParkedAggregates` too.
 */

const { service: serviceOf, operator } = walkOn(serverForAll());

const MIB = 1_048_576;
/** Two letters of this size fill a parked stream of one MiB. */
const LARGE = 400_000;

/** Parks `a` with two large letters; its third event finds the parked stream full, and so does `b`. */
async function fill(service: Service): Promise<void> {
  for (const event of ['a1', 'b2']) service.broken.add(event);
  await service.start();
  for (const event of ['a1', 'a2', 'a3']) await service.publishLarge(event, LARGE);
  await service.says(/a parked event could not be stored, its aggregate waits: .*maximum bytes/);
  await service.hasHealth('letters-refused', 'parked');
  await service.publish('b1', 'c1');
  await service.publishLarge('b2', LARGE);
  await service.publish('b3', 'c2');
  await service.hasHandled('b1', 'c1', 'c2');
}

/** Nothing of either aggregate is lost or out of order once its cause is fixed. */
async function comesBack(service: Service): Promise<void> {
  service.handled = [];
  service.broken.clear();
  for (const id of ['a', 'b']) await service.retries(id);
  await service.publish('a4', 'b4');
  await eventually('all to be handled', () => service.handled.length >= 7);
  expect(service.handledOf('a')).toEqual(['a1', 'a2', 'a3', 'a4']);
  expect(service.handledOf('b')).toEqual(['b2', 'b3', 'b4']);
  await service.hasHealth();
}

test('a full parked stream that is enlarged takes the letters that waited, and nothing is lost', async () => {
  const service = serviceOf('enlarged', { parked: { maxBytes: MIB } });
  await fill(service);
  const { streams } = await (await operator()).jetstreamManager();
  await streams.update('enlarged_parked', { max_bytes: 4 * MIB });
  await service.hasLetters('a', 3);
  await service.hasLetters('b', 2);
  await service.hasHealth('parked');
  await comesBack(service);
});

test('a service whose parked stream was enlarged starts again with the option it had', async () => {
  const service = serviceOf('enlarged-again', { parked: { maxBytes: MIB } });
  await fill(service);
  const { streams } = await (await operator()).jetstreamManager();
  await streams.update('enlarged-again_parked', { max_bytes: 4 * MIB });
  await service.stop();
  await service.start();
  await service.hasLetters('a', 3);
  await service.hasLetters('b', 2);
  await comesBack(service);
});

test('a full parked stream gets room when its letters are handled again', async () => {
  const service = serviceOf('retried', { parked: { maxBytes: MIB } });
  await fill(service);
  service.broken.delete('a1');
  await service.retries('a');
  await service.hasHandled('b1', 'c1', 'c2', 'a1', 'a2', 'a3');
  await service.hasLetters('b', 2);
  await service.hasHealth('parked');
});

test('a full parked stream gets room when its letters are discarded, and only those are lost', async () => {
  const service = serviceOf('discarded', { parked: { maxBytes: MIB } });
  await fill(service);
  await service.parked.discard({ topic: 'discarded', aggregateId: 'a' });
  await service.hasLetters('b', 2);
  service.broken.clear();
  await service.retries('b');
  await service.publish('a4');
  await eventually('the end', () => service.handled.includes('a4') && service.handled.includes('b3'));
  expect(service.handledOf('b')).toEqual(['b1', 'b2', 'b3']);
  await service.hasHealth();
});
