import { expect, test } from '@jest/globals';
import { AckPolicy } from 'nats';
import { serverForAll } from '../../support/server.js';
import { GROUP, walkOn } from './walk.js';

/**
 * docs/operations/repairs.md, `OLD_CONSUMERS` and `found durable consumers`: what a release with acks left is
 * deleted with an ordinary client, as the text says.
 */

const { service: serviceOf, operator } = walkOn(serverForAll());

/** The durable consumers of a group with two partitions. */
const FIRST = `${GROUP}-2-0`;
const NAMES = [FIRST, `${GROUP}-2-1-g1`];

test('a group without a record does not start beside durable consumers, and starts once those it names are deleted', async () => {
  const topic = 'old';
  const other = serviceOf(topic);
  await other.start();
  await other.publish('a1', 'a2');
  await other.hasHandled('a1', 'a2');
  await other.stop();
  const { streams, consumers } = await (await operator()).jetstreamManager();
  // As on a stream that only the release with acks has served.
  await streams.purge(`${topic}_positions`);
  await streams.purge('KV_aggregate-transport', { filter: `$KV.aggregate-transport.lease.${topic}.>` });
  for (const durable_name of NAMES)
    await consumers.add(topic, { durable_name, ack_policy: AckPolicy.Explicit });
  const service = serviceOf(topic);
  const named = new RegExp(`${NAMES.join(', ')}.*nats consumer rm ${topic} ${FIRST}`, 's');
  await expect(service.start()).rejects.toMatchObject({
    code: 'OLD_CONSUMERS',
    message: expect.stringMatching(named),
  });
  for (const name of NAMES) await consumers.delete(topic, name);
  await service.start();
  await service.hasHandled('a1', 'a2');
  await service.hasHealth();
});

test('a group with a record names durable consumers that it finds, continues, and is silent once they are deleted', async () => {
  const topic = 'old-beside';
  const service = serviceOf(topic);
  await service.start();
  await service.publish('a1');
  await service.hasHandled('a1');
  await service.stop();
  const { consumers } = await (await operator()).jetstreamManager();
  await consumers.add(topic, { durable_name: FIRST, ack_policy: AckPolicy.Explicit });
  await service.start();
  await service.says(new RegExp(`error .*found durable consumers ${FIRST} of a release with acks`));
  await service.publish('a2');
  await service.hasHandled('a1', 'a2');
  await consumers.delete(topic, FIRST);
  await service.stop();
  service.log.lines.length = 0;
  await service.start();
  await service.publish('a3');
  await service.hasHandled('a1', 'a2', 'a3');
  expect(service.log.matching(/found durable consumers/)).toEqual([]);
});
