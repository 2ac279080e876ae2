import { Repartition } from '../../consumer/repartition/repartition.js';
import { isPartitionCount } from '../../message/partitioning.js';
import { finishChange } from '../../operating/groups/reset.js';
import type { GroupRecord, LayoutChange } from '../../records/group-record.js';
import { type ChangeCommandOptions, changeWay } from './change-way.js';
import type { Progress } from './progress.js';
import { UsageError } from '../command/terminal.js';
import { cancelChange, sayUnfinished } from './change-outcome.js';

/** What the command line says. */
export interface RepartitionArguments {
  readonly topic: string | undefined;
  readonly group: string | undefined;
  /** How many partitions the group will have; undefined to cancel the change under way, or to continue it. */
  readonly partitions: number | undefined;
  readonly cancel: boolean;
  readonly resume: boolean;
  readonly json: boolean;
  readonly yes: boolean;
  /** How long to wait for the end, in milliseconds; replicas continue the change without the command. */
  readonly waitMs: number;
}

/** `aggregate-transport repartition`. Resolves with the exit code: 0 done, 1 not done. */
export class RepartitionCommand {
  constructor(private readonly options: ChangeCommandOptions) {}

  async run(args: RepartitionArguments): Promise<number> {
    const { topic, group } = args;
    if (topic === undefined || group === undefined) throw new UsageError('expected a topic and a group');
    const { way, progress } = changeWay(this.options, { ...args, topic, group });
    const repartition = new Repartition(way.name, way.ports);
    const { patience } = progress;
    if (args.cancel) return cancelChange(repartition, progress);
    const record = await patience.retried(() => repartition.group());
    const change = await this.#begin(args, { record, repartition, progress });
    if (change === undefined) {
      sayNumber(progress, 'done', record.partitions, 'the group has');
      return 0;
    }
    const end = await finishChange(repartition, change, { ...way, patience });
    if (end.kind === 'late') return sayUnfinished(progress, end);
    const isDone = end.kind === 'done';
    const text = isDone ? 'done; the group has' : 'cancelled meanwhile; the group has';
    sayNumber(progress, end.kind, end.group.partitions, text);
    return isDone ? 0 : 1;
  }

  /** Resolves with the change to carry out; undefined if there is none left to do. */
  async #begin(
    args: RepartitionArguments,
    { record, repartition, progress }: Begin,
  ): Promise<LayoutChange | undefined> {
    const { partitions } = args;
    if (args.resume) return record.change;
    if (partitions === undefined) {
      throw new UsageError(
        'expected the number of partitions the group is to have, or --resume, or --cancel',
      );
    }
    if (!isPartitionCount(partitions))
      throw new UsageError(`expected a power of two from 1 to 256 partitions, found ${partitions}`);
    if (record.change === undefined && record.partitions !== partitions)
      await this.#confirm(args, record.partitions, partitions);
    return progress.patience.retried(() => repartition.begin({ to: partitions }));
  }

  async #confirm({ group, yes }: RepartitionArguments, from: number, to: number): Promise<void> {
    if (yes) return;
    const typed = await this.options.terminal.ask(
      `About to change group "${group ?? ''}" from ${from} to ${to} partitions. It handles nothing while its running ` +
        'handlers end. Type the name of the group to continue: ',
    );
    if (typed !== group) throw new UsageError('not confirmed; nothing was done (--yes does not ask)');
  }
}

interface Begin {
  readonly record: GroupRecord;
  readonly repartition: Repartition;
  readonly progress: Progress;
}

function sayNumber(progress: Progress, state: string, partitions: number, text: string): void {
  progress.say({ state, partitions }, `${text} ${partitions} partitions`);
}
