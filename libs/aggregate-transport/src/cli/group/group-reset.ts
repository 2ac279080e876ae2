import { counted } from '../../counted.js';
import { Repartition } from '../../consumer/repartition/repartition.js';
import { hasCode } from '../../errors.js';
import { isPartitionCount } from '../../message/partitioning.js';
import { GroupReset, type OperationEnd, type PreparedReset } from '../../operating/groups/reset.js';
import type { ResetPlan } from '../../operating/groups/reset-plan.js';
import type { Progress } from './progress.js';
import { UsageError } from '../command/terminal.js';
import { cancelChange, sayUnfinished } from './change-outcome.js';
import { type ChangeCommandOptions, changeWay } from './change-way.js';
import { describeReset, tableOfReset } from './reset-report.js';
import { parseTarget } from './reset-target.js';

/** What the command line says. */
export interface GroupResetArguments {
  readonly topic: string | undefined;
  readonly group: string | undefined;
  readonly to: string | undefined;
  /** A number or time that follows `--to sequence` or `--to time` as a word of its own. */
  readonly toValue: string | undefined;
  /** How many partitions the group will have; undefined: as many as it has. */
  readonly partitions: number | undefined;
  /** Names the reset: the same id again is the same reset, also after its end. Undefined: a new one. */
  readonly id: string | undefined;
  readonly dryRun: boolean;
  readonly cancel: boolean;
  readonly resume: boolean;
  readonly json: boolean;
  readonly yes: boolean;
  /** How long to wait for the end, in milliseconds; replicas continue the reset without the command. */
  readonly waitMs: number;
}

/**
 * `aggregate-transport group reset`: lets a group begin again at another place. It works without replicas, and also for
 * a group that has lost its record or its positions. Resolves with the exit code: 0 done, 1 not done.
 */
export class GroupResetCommand {
  constructor(private readonly options: ChangeCommandOptions) {}

  async run(args: GroupResetArguments): Promise<number> {
    const { topic, group, partitions } = args;
    if (topic === undefined || group === undefined) throw new UsageError('expected a topic and a group');
    if (partitions !== undefined && !isPartitionCount(partitions))
      throw new UsageError(`expected a power of two from 1 to 256 partitions, found ${partitions}`);
    const { way, progress } = changeWay(this.options, { ...args, topic, group });
    if (args.cancel) return cancelChange(new Repartition(way.name, way.ports), progress);
    const reset = new GroupReset(way, progress.patience);
    if (args.resume) return sayEnd(progress, await reset.resume());
    const to = parseTarget(args.to, args.toValue);
    const prepared = await prepare(() => reset.prepare({ to, partitions, id: args.id ?? way.owner }));
    this.#report(args, progress, prepared.plan);
    if (args.dryRun) return 0;
    if (prepared.record.change === undefined || prepared.plan.lost) await this.#confirm(args, prepared);
    return sayEnd(progress, await reset.carryOut(prepared));
  }

  #report({ json }: GroupResetArguments, progress: Progress, plan: ResetPlan): void {
    progress.say({ state: 'planned', ...plan }, describeReset(plan));
    if (!json) this.options.terminal.print(tableOfReset(plan.rows));
  }

  async #confirm({ group, yes }: GroupResetArguments, { record, plan }: PreparedReset): Promise<void> {
    if (yes) return;
    const { letters, start } = plan;
    const removed = letters.removed === 0 ? '' : `, and to remove ${counted(letters.removed, 'letter')}`;
    const typed = await this.options.terminal.ask(
      `About to let group "${group ?? ''}" with ${counted(record.partitions, 'partition')} begin again at sequence ` +
        `${start.sequence + 1}${removed}. Type the name of the group to continue: `,
    );
    if (typed !== group) throw new UsageError('not confirmed; nothing was done (--yes does not ask)');
  }
}

/** A place that the stream does not have is a mistake on the command line. */
async function prepare(step: () => Promise<PreparedReset>): Promise<PreparedReset> {
  try {
    return await step();
  } catch (error) {
    if (hasCode(error, 'OPTIONS_INVALID') && error instanceof Error) throw new UsageError(error.message);
    throw error;
  }
}

function sayEnd(progress: Progress, end: OperationEnd | undefined): number {
  if (end === undefined) {
    progress.say({ state: 'none' }, 'no change is under way');
    return 0;
  }
  if (end.kind !== 'done') return sayUnfinished(progress, end);
  const { partitions, start, run, deleted } = end.group;
  if (deleted !== undefined) {
    progress.say({ state: 'deleted' }, 'deleted; run group delete again to remove what is left of it');
    return 0;
  }
  progress.say(
    { state: 'done', partitions, start, run },
    `done; the group has ${counted(partitions, 'partition')} and begins at sequence ${start.sequence + 1}, run ${run}`,
  );
  return 0;
}
