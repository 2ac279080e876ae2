import { counted } from '../../counted.js';
import { type DeletionEnd, type DeletionPlan, GroupDeletion } from '../../operating/groups/deletion.js';
import type { GroupRemains } from '../../operating/groups/group-ports.js';
import { UsageError } from '../command/terminal.js';
import { sayUnfinished } from './change-outcome.js';
import { type ChangeCommandOptions, changeWay } from './change-way.js';
import type { Progress } from './progress.js';

/** What the command line says. */
export interface GroupDeleteArguments {
  readonly topic: string;
  readonly group: string;
  readonly dryRun: boolean;
  readonly cancel: boolean;
  readonly json: boolean;
  readonly yes: boolean;
  /** How long to wait for the end, in milliseconds. */
  readonly waitMs: number;
}

/**
 * `aggregate-transport group delete`. Killed at any step it is carried on by the same command again. Resolves with the
 * exit code: 0 done, 1 not done.
 */
export class GroupDeleteCommand {
  constructor(private readonly options: ChangeCommandOptions) {}

  async run(args: GroupDeleteArguments): Promise<number> {
    const { way, progress } = changeWay(this.options, args);
    const deletion = new GroupDeletion(way, progress.patience);
    if (args.cancel) return this.#cancel(deletion, progress);
    const plan = await deletion.plan();
    const planned = { ...plan, state: 'planned', deletion: plan.state, remains: countsOf(plan.remains) };
    progress.say(planned, describePlan(plan));
    if (args.dryRun) return 0;
    if (plan.state === 'none' || plan.state === 'lost') await this.#confirm(args, plan.remains);
    return this.#say(progress, await deletion.carryOut(plan));
  }

  async #cancel(deletion: GroupDeletion, progress: Progress): Promise<number> {
    const cancelled = await deletion.cancel();
    progress.say(
      { state: cancelled ? 'cancelled' : 'none' },
      cancelled ? 'cancelled; the group stays as it is' : 'nothing is under way that could be called off',
    );
    return cancelled ? 0 : 1;
  }

  async #confirm({ group, yes }: GroupDeleteArguments, remains: GroupRemains): Promise<void> {
    if (yes) return;
    const typed = await this.options.terminal.ask(
      `About to delete group "${group}" for good: its place in the stream, ${describeParked(remains)}. ` +
        'Its running services halt. Type the name of the group to continue: ',
    );
    if (typed !== group) throw new UsageError('not confirmed; nothing was done (--yes does not ask)');
  }

  #say(progress: Progress, end: DeletionEnd): number {
    if (end.kind === 'replicas stay') {
      const { replicas } = end;
      const text = `deleted, but nothing was removed: replicas do not let go of it, end them (${replicas.join(', ')})`;
      progress.say({ state: 'waiting', replicas }, `${text}, and run the command again`);
      return 1;
    }
    if (end.kind !== 'done') return sayUnfinished(progress, end);
    const { run } = end.group;
    const removed = countsOf(end.removed);
    progress.say({ state: 'done', run, removed }, `done; a group of this name begins in run ${run + 1}`);
    return 0;
  }
}

/** Without what only the removal needs. */
function countsOf({ aggregates, letters, positions, leases, replicas }: GroupRemains): object {
  return { aggregates, letters, positions, leases, replicas };
}

function describeParked({ aggregates, letters }: GroupRemains): string {
  return `${counted(aggregates, 'parked aggregate')} and ${counted(letters, 'letter')}`;
}

const STATES: Readonly<Record<DeletionPlan['state'], string>> = {
  none: 'is deleted',
  lost: 'has lost its record, and is deleted',
  draining: 'is being drained for its deletion',
  removing: 'is deleted, and the rest is removed',
  removed: 'was deleted before',
};

function describePlan({ state, partitions, remains }: DeletionPlan): string {
  const { positions, leases, replicas } = remains;
  const of = partitions === 0 ? '' : ` of ${counted(partitions, 'partition')}`;
  return (
    `the group${of} ${STATES[state]}: ${describeParked(remains)}, ${counted(positions, 'position')}, ` +
    `${counted(leases, 'lease')} and ${counted(replicas, 'record')} of replicas`
  );
}
