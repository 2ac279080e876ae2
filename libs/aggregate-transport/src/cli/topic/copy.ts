import { type Clock, delay } from '../../clock.js';
import type { Chosen } from '../../operating/topics/chosen-ids.js';
import type { CopySource, CopyTarget } from '../../operating/topics/copy-ports.js';
import { type CopyLimits, requireKept, requireRoom } from '../../operating/topics/copy-room.js';
import type { RenamedIds } from '../../operating/topics/rename-ids.js';
import { type CopyProgress, TopicCopy } from '../../operating/topics/topic-copy.js';
import type { StreamConfig } from '../../stream/api/api-types.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import { msOf } from '../../stream/api/time.js';
import type { Connection } from '../../stream/connection/connection.js';
import { openCopy, openTopic } from '../../stream/topics/topic-copy-wire.js';
import type { Terminal } from '../command/terminal.js';
import { untilInterrupted } from '../command/until-interrupted.js';
import { jsonLine } from '../command/json-line.js';

export interface CopyArguments {
  readonly from: string;
  readonly to: string;
  readonly json: boolean;
  readonly dryRun: boolean;
  readonly isFollowing: boolean;
  readonly untilCaughtUp: boolean;
  readonly waitMs: number;
}

export interface CopyRun {
  readonly args: CopyArguments;
  readonly renames: RenamedIds;
  readonly chosen: Chosen;
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly source: Connection;
  readonly target: Connection;
}

const LOOK_EVERY_MS = 500;
const REPORT_EVERY_MS = 2_000;
const EMPTY = { firstSequence: 0, lastSequence: 0, messages: 0, bytes: 0 };

/** Resolves with the exit code. Interrupted, it ends after what is on its way, and says how far it came. */
export async function copyTopic({
  args,
  renames,
  chosen,
  terminal,
  clock,
  source,
  target,
}: CopyRun): Promise<number> {
  const { from, to, dryRun } = args;
  const opened = await openTopic({ connection: source, api: new JetStreamApi(source), clock, topic: from });
  const toApi = new JetStreamApi(target);
  const copyOf = { like: opened.stream, dryRun };
  const found = await openCopy({ connection: target, api: toApi, clock, topic: to }, copyOf);
  const goal: CopyTarget = found?.wire ?? missingTarget(to);
  const before = await goal.state();
  requireRoom(to, await opened.wire.state(), before, limitsOf((found ?? opened).stream.config));
  const copy = new TopicCopy({
    source: opened.wire,
    target: goal,
    renames,
    chosen,
    clock,
    dryRun,
    giveUpAfterMs: args.waitMs,
  });
  const say = reporter(args, terminal, clock);
  const report = setInterval(() => say('copying', copy.progress), REPORT_EVERY_MS);
  try {
    const isDone = await untilInterrupted(
      ({ signal }) => copyAll(args, { copy, source: opened.wire, clock, signal }),
      ['SIGINT', 'SIGTERM'],
    );
    requireKept(to, before, await goal.state());
    say(isDone ? (dryRun ? 'counted' : 'done') : 'interrupted', copy.progress);
    return isDone ? 0 : 1;
  } finally {
    clearInterval(report);
  }
}

/** False if it was interrupted before the end. */
async function copyAll(
  { isFollowing, untilCaughtUp }: CopyArguments,
  { copy, source, clock, signal }: { copy: TopicCopy; source: CopySource; clock: Clock; signal: AbortSignal },
): Promise<boolean> {
  for (;;) {
    const { lastSequence } = await source.state();
    await copy.run(isFollowing || untilCaughtUp ? { signal } : { signal, to: lastSequence });
    if (signal.aborted) return isFollowing;
    const isCaughtUp = !untilCaughtUp || (await source.state()).lastSequence === lastSequence;
    if (!isFollowing && isCaughtUp) return true;
    if (isFollowing) await delay(clock, LOOK_EVERY_MS);
  }
}

/** One that is not there yet, in a dry run. */
function missingTarget(topic: string): CopyTarget {
  return {
    topic,
    state: () => Promise.resolve(EMPTY),
    last: () => Promise.resolve(undefined),
    history: async function* () {},
    store: () => Promise.resolve({ kind: 'refused', reason: 'a dry run' }),
  };
}

function limitsOf({ discard, max_msgs, max_bytes, max_age }: StreamConfig): CopyLimits {
  return {
    dropsOld: discard === 'old',
    maxMessages: max_msgs > 0 ? max_msgs : undefined,
    maxBytes: max_bytes > 0 ? max_bytes : undefined,
    maxAgeMs: max_age > 0 ? msOf(max_age) : undefined,
  };
}

function reporter(
  { from, to, json }: CopyArguments,
  terminal: Terminal,
  clock: Clock,
): (state: string, progress: CopyProgress) => void {
  const since = clock.now();
  return (state, { through, copied, found }) => {
    const seconds = Math.max(0.001, (clock.now() - since) / 1_000);
    const value = { from, to, state, copied, found, through, perSecond: Math.round(copied / seconds) };
    const text = `${from} -> ${to}: ${state}, ${copied} events copied (${value.perSecond}/s), ${found} were there, through ${through}`;
    terminal.print(json ? jsonLine('topic-copy', value) : text);
  };
}
