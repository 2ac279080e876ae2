import { expect, test } from '@jest/globals';
import type { NatsConnection } from 'nats';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { GROUP, type Service, walkOn } from './walk.js';

// Needs `npm run build`: the command is built code.

/**
 * docs/operations/repairs.md, _A halted partition_: a handler's failure with `onExhausted: 'halt'`, and a position
 * that a newer release wrote. The other reasons are walked in backup.spec, keys.spec and max-payload.spec.
 */

const { service: serviceOf, operator, reset } = walkOn(serverForAll());

/** As a newer release would leave it: `nats stream get --last-for` and `nats pub`. */
async function rewritePosition(nats: NatsConnection, topic: string, change: object): Promise<void> {
  const subject = `$KV.${topic}_positions.${GROUP}.0.1.0`;
  const manager = await nats.jetstreamManager();
  const stored = await manager.streams.getMessage(`${topic}_positions`, { last_by_subj: subject });
  await nats.jetstream().publish(subject, JSON.stringify({ ...stored.json<object>(), ...change }));
}

/** `a2` stops the partition; more events follow it. */
async function haltedByPolicy(topic: string): Promise<Service> {
  const service = serviceOf(topic, { consume: { onExhausted: 'halt' } });
  service.broken.add('a2');
  await service.start();
  await service.publish('a1', 'b1');
  await service.hasHandled('a1', 'b1');
  await service.publish('a2');
  await service.says(/error .*halts: .*broken/);
  await service.hasHealth('halted');
  await service.publish('b2', 'a3', 'b3');
  return service;
}

/** Events of two aggregates: of either, in order, once. */
async function hasHandledAll(service: Service, a: readonly string[], b: readonly string[]): Promise<void> {
  await eventually([...a, ...b].join(' '), () => service.handled.length >= a.length + b.length);
  expect(service.handledOf('a')).toEqual(a);
  expect(service.handledOf('b')).toEqual(b);
}

test('a partition that a handler halted continues once the cause is fixed and it is restarted, and repeats nothing', async () => {
  const service = await haltedByPolicy('policy');
  await service.stop();
  expect(service.handled).toEqual(['a1', 'b1']);
  service.broken.clear();
  await service.start();
  await service.publish('a4');
  await hasHandledAll(service, ['a1', 'a2', 'a3', 'a4'], ['b1', 'b2', 'b3']);
  await service.hasHealth();
}, 60_000);

test('a partition that a handler halted halts again after a restart alone, and loses nothing', async () => {
  const service = await haltedByPolicy('policy-again');
  await service.stop();
  await service.start();
  await service.hasHealth('halted');
  expect(service.handledOf('a')).toEqual(['a1']);
  await service.stop();
  service.broken.clear();
  await service.start();
  await hasHandledAll(service, ['a1', 'a2', 'a3'], ['b1', 'b2', 'b3']);
}, 60_000);

test('a group that a handler halted is reset once its process has ended, and continues after what stopped it', async () => {
  const service = await haltedByPolicy('policy-reset');
  await service.stop();
  await reset('policy-reset', 'sequence:4');
  service.handled = [];
  await service.start();
  await hasHandledAll(service, ['a3'], ['b2', 'b3']);
  expect(service.run).toBe(1);
  await service.hasHealth();
}, 60_000);

/** `a1` is handled, and a newer release has written the position. */
async function ofNewerRelease(topic: string): Promise<Service> {
  const service = serviceOf(topic);
  await service.start();
  await service.publish('a1', 'b1');
  await service.hasHandled('a1', 'b1');
  await service.stop();
  await rewritePosition(await operator(), topic, { v: 2, unsettled: { of: 'another form' } });
  await service.start();
  await service.says(
    /error .*halts: expected a position of format 1, found format 2: a newer release wrote it/,
  );
  await service.hasHealth('newer-version');
  await service.publish('a2');
  expect(service.handled).toEqual(['a1', 'b1']);
  return service;
}

test('a position of a newer release is left as it is, and read by that release', async () => {
  const service = await ofNewerRelease('newer');
  await service.stop();
  // The newer release reads its own format; here it writes the one that this release reads.
  await rewritePosition(await operator(), 'newer', { v: 1, unsettled: '' });
  await service.start();
  await service.hasHandled('a1', 'b1', 'a2');
  await service.hasHealth();
}, 60_000);

test('a group whose position a newer release wrote is stopped and reset, and begins again under a higher run and token', async () => {
  const service = await ofNewerRelease('newer-reset');
  const before = service.token;
  await service.stop();
  await reset('newer-reset', 'start');
  service.handled = [];
  await service.start();
  await hasHandledAll(service, ['a1', 'a2'], ['b1']);
  expect(service.run).toBeGreaterThan(0);
  expect(service.token).toBeGreaterThan(before);
  await service.hasHealth();
}, 60_000);
