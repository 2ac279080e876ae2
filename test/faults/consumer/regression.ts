import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as scheduled } from 'node:timers/promises';
import type { Finding } from '../oracle/finding.js';
import { type History, readHistory } from '../oracle/history.js';
import { stamp } from '../harness/journal.js';
import type { World } from './world.js';

const EVENTS = 40;
const QUIET_WITHIN_MS = 60_000;
const NOTICED_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 100;
const NANOS_PER_MS = 1_000_000;

const HALTS = ' halts: ';

/**
 * `regression-noticed`: puts the server back to an earlier state of its store, as a restored backup does. Living
 * processes have handled what the backup lacks. Every partition must halt, and nothing may start: new events will get
 * the sequences of events that were handled. It destroys the run's stream, so it comes last.
 */
export async function checkRegression(world: World): Promise<Finding[]> {
  const { server, load, folder, consumers } = world.parts;
  const store = server.storeDir;
  if (store === undefined) return [];
  const backup = join(folder, 'backup');
  await server.kill();
  cpSync(store, backup, { recursive: true });
  await server.start();
  await publish(world, 'handled');
  if (!(await world.isQuietWithin(QUIET_WITHIN_MS))) {
    return [{ checker: 'at-rest', text: 'events are pending or unsettled after a server kill at rest' }];
  }
  await server.kill();
  rmSync(store, { recursive: true });
  cpSync(backup, store, { recursive: true });
  const restoredAt = stamp() / NANOS_PER_MS;
  await server.start();
  const read = (holding?: string): History =>
    readHistory(folder, { stored: [], consumers, quiet: true }, holding);
  const missing = await whoMissed(() => read(HALTS), restoredAt, consumers.partitions);
  await publish(world, 'on sequences used before');
  await load.stop();
  await scheduled(consumers.leaseTtlMs);
  const findings = missing.map((partition): Finding => ({
    checker: 'regression-noticed',
    text: `partition ${partition} did not notice within ${NOTICED_WITHIN_MS} ms that the stream went back at ${restoredAt}`,
  }));
  for (const { key, n, worker, start } of read().attempts) {
    if (start <= restoredAt) continue;
    findings.push({
      checker: 'regression-noticed',
      text: `${key}: ${n} (${worker}) started at ${start} on a stream that went back`,
    });
  }
  return findings;
}

async function publish({ parts }: World, why: string): Promise<void> {
  parts.journal.write({ what: 'phase', name: `${EVENTS} events to be ${why}` });
  for (let index = 0; index < EVENTS; index++) parts.load.publish(`key-${index}`);
  await parts.load.stop();
}

/** The partitions of which no process has said in time that it halts. */
async function whoMissed(read: () => History, since: number, partitions: number): Promise<number[]> {
  const until = performance.now() + NOTICED_WITHIN_MS;
  for (;;) {
    const halts = read().logs.filter(({ at, text }) => at > since && text.includes(HALTS));
    const missing = Array.from({ length: partitions }, (_, partition) => partition).filter(
      (partition) => !halts.some(({ text }) => text.includes(`partition ${partition} halts`)),
    );
    if (missing.length === 0 || performance.now() > until) return missing;
    await scheduled(LOOK_EVERY_MS);
  }
}
