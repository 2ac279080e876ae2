import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { connect } from 'nats';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { eventually } from '../../support/eventually.js';
import { PositionReader } from '../harness/position-reader.js';
import { NumberedPublisher, startReplica } from './replicas-in-process.js';

const TOPIC = 'max-payload';
const storeDir = mkdtempSync(join(tmpdir(), 'max-payload-'));
afterAll(() => rmSync(storeDir, { recursive: true, force: true }));

const HUNG_KEYS = 400;
const SMALL_PAYLOAD = 1_024;

function start(config: string): Promise<NatsServer> {
  return startNatsServer({ storeDir, config });
}

test('the largest message becomes smaller than a position: the partition halts and says so, and sends nothing too large', async () => {
  const large = await start('');
  const publisher = await NumberedPublisher.open(large, TOPIC);
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  // Every other event is settled, so that the position lists hundreds with different steps between them.
  const handle = ({ n, key }: { n: number; key: string }): Promise<void> | void =>
    key.startsWith('hung') && n === 1 ? held : undefined;
  const consume = { concurrency: 1_000, timeoutMs: 600_000 };
  const first = await startReplica({ server: large, topic: TOPIC, handle, consume });
  for (let index = 0; index < HUNG_KEYS; index++) {
    await publisher.publish(`hung-${index}`);
    if (index % 3 > 0) await publisher.publish('quick', 1 + (index % 5));
  }
  await publisher.publish('last');
  await eventually('the last one', () => first.names().includes('last-1'));
  const admin = await connect({ servers: large.url });
  const positions = new PositionReader(admin, TOPIC, 'g');
  await eventually(
    'a large position',
    async () => (await positions.position(0))!.text.length > SMALL_PAYLOAD,
  );
  await admin.close();
  // Nothing is written any more: the old owner must not shorten its position.
  first.proxy.blackhole('both');
  await large.kill();
  const small = await start(`max_payload: ${SMALL_PAYLOAD}\n`);
  const second = await startReplica({ server: small, topic: TOPIC, handle: () => undefined, consume });
  expect(await second.log.says(/halts: .*max_payload/)).toMatch(/max_payload/);
  expect(second.starts).toEqual([]);
  expect(second.log.matching(/MAX_PAYLOAD_VIOLATION|Maximum Payload/i)).toEqual([]);
  release();
  await Promise.all([second.close(), first.close(), publisher.close()]);
  await small.stop();
}, 90_000);
