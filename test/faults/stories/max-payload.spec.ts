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

/** Two of three events are unsettled: steps of 1 and 2 by turns, which do not shorten. */
const PAIRS = 3_500;
const UNSETTLED = Array.from({ length: PAIRS }, () => '1 2').join(' ');
const EVENTS = 3 * PAIRS;
/** The least that leaves room for events beside their letters. */
const SMALL_PAYLOAD = 12 * 1_024;

function start(config: string): Promise<NatsServer> {
  return startNatsServer({ storeDir, config });
}

test('the largest message becomes smaller than a position: the partition halts, says so, and sends nothing too large', async () => {
  const large = await start('');
  const publisher = await NumberedPublisher.open(large, TOPIC);
  await publisher.publish('k', EVENTS);
  const first = await startReplica({ server: large, topic: TOPIC });
  const admin = await connect({ servers: large.url });
  const positions = new PositionReader(admin, TOPIC, 'g');
  await eventually('everything to be settled', () => positions.isSettled());
  await first.close();
  await publisher.close();
  const { text } = (await positions.position(0))!;
  const record = JSON.stringify({ ...(JSON.parse(text) as object), unsettled: UNSETTLED });
  expect(record.length).toBeGreaterThan(SMALL_PAYLOAD);
  await admin.request(positions.subjectOf(0, (await positions.layout())!), record);
  await admin.close();
  await large.kill();

  const small = await start(`max_payload: ${SMALL_PAYLOAD}\n`);
  const second = await startReplica({ server: small, topic: TOPIC });
  expect(await second.log.says(/halts: /)).toMatch(/max_payload/);
  expect(second.starts).toEqual([]);
  expect(second.log.matching(/Maximum Payload/i)).toEqual([]);
  await second.close();
  await small.stop();
}, 90_000);
