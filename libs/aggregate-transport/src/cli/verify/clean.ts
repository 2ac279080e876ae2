import { hostname } from 'node:os';
import type { Clock } from '../../clock.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import type { Connection } from '../../stream/connection/connection.js';
import { jsonLine } from '../command/json-line.js';
import type { Terminal } from '../command/terminal.js';
import { type Leftover, OwnStreams, type RunMark } from './own-streams.js';

export interface CleanArguments {
  /** Undefined: all runs. */
  readonly topic: string | undefined;
  readonly json: boolean;
  /** Also runs that may still be under way. */
  readonly yes: boolean;
}

/**
 * Removes what runs have left that were killed. One that may still be under way stays, unless `--yes`. Exit code 0 if
 * nothing is left.
 */
export async function cleanUp(
  { topic, json, yes }: CleanArguments,
  connection: Connection,
  { terminal, clock }: { terminal: Pick<Terminal, 'print'>; clock: Clock },
): Promise<number> {
  const streams = new OwnStreams(new JetStreamApi(connection));
  const found = topic === undefined ? await streams.leftovers() : [await streams.leftover(topic)];
  const left = found.filter((one) => one !== undefined);
  if (left.length === 0 && !json) terminal.print('nothing is left of any run');
  let stays = 0;
  for (const one of left) {
    const isRemoved = yes || !mayRun(one, clock.wallNow());
    if (isRemoved) await streams.remove(one);
    else stays++;
    if (json) terminal.print(jsonLine('verify-removal', { topic: one.topic, removed: isRemoved }));
    else terminal.print(isRemoved ? `removed ${one.topic}` : `left ${one.topic}: ${whyOf(one.mark)}`);
  }
  return stays === 0 ? 0 : 1;
}

function mayRun({ mark }: Leftover, now: number): boolean {
  if (mark === undefined) return false;
  if (mark.host === hostname()) return isAlive(mark.pid);
  return Date.parse(mark.startedAt) + mark.seconds * 1_000 > now;
}

function whyOf(mark: RunMark | undefined): string {
  const { host, pid, startedAt } = mark ?? { host: '', pid: 0, startedAt: '' };
  return `process ${pid} of ${host} may run it since ${startedAt}; end that one, or add --yes`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Of another user, it lives.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
