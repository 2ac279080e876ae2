import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as scheduled } from 'node:timers/promises';
import { Journal } from '../harness/journal.js';
import { readStored } from '../oracle/stored.js';
import { type History, readHistory } from './history.js';
import type { DriverLine } from './journal-lines.js';
import type { LongRunOptions } from './long-runs.js';
import { judge } from './oracle.js';
import { PublisherSlot } from './publisher-slot.js';
import { PUBLISHER } from './scenario.js';
import { Servers } from './servers.js';

const FROZEN_MS = 70_000;
/** Well below the freeze, so that callers hear OUTCOME_UNKNOWN while the server stands still. */
const GIVE_UP_AFTER_MS = 30_000;
const BEFORE_MS = 3_000;
const AFTER_MS = 12_000;
const KEYS = 12;

/**
 * The server stands still for 70 s with events in flight, then wakes up with all that was sent to it. No later event
 * of an aggregate may be stored before the one whose outcome was unknown, and none twice.
 */
export async function runFrozenServer({ serverVersion }: LongRunOptions): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'publisher-frozen-'));
  const journal = new Journal<DriverLine>(join(folder, 'driver.jsonl'));
  const servers = await Servers.start(serverVersion, 1);
  const setup = { ...PUBLISHER, giveUpAfterMs: GIVE_UP_AFTER_MS };
  const slot = await PublisherSlot.open({
    ...{ servers, folder, setup, journal },
    ...{ seed: 1, keys: KEYS, eventsPerSecond: 100, sabotage: undefined },
  });
  let history: History;
  try {
    await slot.spawn();
    await scheduled(BEFORE_MS);
    await servers.nodes[0]!.freeze();
    console.log(`the server is frozen for ${FROZEN_MS} ms`);
    await scheduled(FROZEN_MS);
    servers.nodes[0]!.resume();
    await scheduled(AFTER_MS);
    await slot.stop();
    history = readHistory(folder, await readStored(servers.urls[0]!));
  } finally {
    await slot.close();
    await servers.stop();
    journal.close();
  }
  const { findings, evidence } = judge(history);
  const unknown = history.calls.filter(({ outcome }) => outcome === 'unknown');
  const reopened = unknown.filter(({ key, n }) =>
    history.calls.some((call) => call.key === key && call.n > n && call.outcome === 'ok'),
  );
  const figures = { ...evidence, stored: history.stored.length, reopened: reopened.length };
  for (const { checker, text } of findings) console.log(`  ${checker} ${text}`);
  const isVoid = unknown.length < KEYS || reopened.length < unknown.length;
  if (isVoid) console.log('VOID: not every aggregate had an unknown outcome and went on after it');
  if (findings.length === 0) rmSync(folder, { recursive: true, force: true });
  else console.log(`journals: ${folder}`);
  console.log(
    JSON.stringify({ run: 'frozen-server', server: servers.version, ...figures, findings: findings.length }),
  );
  return findings.length === 0 && !isVoid;
}
