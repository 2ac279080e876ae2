import { counted } from '../../counted.js';
import { DrainUnowned } from '../../consumer/repartition/drain-unowned.js';
import { LostGroup } from '../../consumer/repartition/lost-group.js';
import type { RepartitionPorts } from '../../consumer/repartition/repartition-ports.js';
import { Repartition } from '../../consumer/repartition/repartition.js';
import { isPartitionCount } from '../../message/partitioning.js';
import type { GroupRecord, LayoutChange } from '../../records/group-record.js';
import { ChangeRun, isInForce } from './change-run.js';
import { Progress } from '../command/progress.js';
import type { ChangeCommandOptions } from './repartition.js';
import { describeReset, PARKED_NOTE, reportReset, tableOfReset } from './reset-report.js';
import { parseTarget, type ResolvedTarget, resolveTarget } from './reset-target.js';
import { UsageError } from '../command/terminal.js';

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

/** The parts of one run of the command. */
interface Way {
  readonly name: string;
  readonly ports: RepartitionPorts;
  readonly repartition: Repartition;
  readonly lost: LostGroup;
  readonly run: ChangeRun;
  readonly progress: Progress;
}

interface Reset {
  readonly to: number | undefined;
  readonly id: string;
  readonly target: ResolvedTarget;
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
    const way = this.#wayOf(args, topic, group);
    if (args.cancel) return way.run.cancel();
    if (args.resume) return this.#resume(way);
    const asked = parseTarget(args.to, args.toValue);
    const target = await way.progress.retried(() => resolveTarget(way.ports, asked));
    const reset: Reset = { to: partitions, id: args.id ?? this.options.owner, target };
    const isLost = await way.progress.retried(() => way.lost.isLost());
    const record = await way.progress.retried(() =>
      isLost ? way.lost.plan(lostReset(reset)) : way.repartition.group(),
    );
    await this.#report(args, way, { record, target, isLost });
    if (args.dryRun) return 0;
    if (record.change === undefined || isLost) await this.#confirm(args, record, target);
    return isLost ? this.#remake(way, reset) : this.#reset(way, reset, record);
  }

  #wayOf(args: GroupResetArguments, topic: string, group: string): Way {
    const { clock, owner, terminal } = this.options;
    const name = `topic "${topic}", group "${group}"`;
    const ports = this.options.ports(topic, group);
    const parts = { name, ports, clock, owner };
    const repartition = new Repartition(name, ports);
    const progress = new Progress({ ...args, topic, group, terminal, clock });
    const run = new ChangeRun({ repartition, drain: new DrainUnowned(parts), progress });
    return { name, ports, repartition, lost: new LostGroup(parts), run, progress };
  }

  async #resume(way: Way): Promise<number> {
    const { change } = await way.progress.retried(() => way.repartition.group());
    if (change !== undefined) return this.#finish(way, change);
    way.progress.say({ state: 'none' }, 'no change is under way');
    return 0;
  }

  async #reset(way: Way, { to, id, target: { start } }: Reset, record: GroupRecord): Promise<number> {
    const wanted = { to: to ?? record.partitions, id, start };
    const change = await way.progress.retried(() => way.repartition.begin(wanted));
    if (change !== undefined) return this.#finish(way, change);
    sayDone(way.progress, await way.progress.retried(() => way.repartition.group()));
    return 0;
  }

  /** The record is made with the reset under way in it, once no process holds a lease. */
  async #remake(way: Way, reset: Reset): Promise<number> {
    const { progress, lost, repartition } = way;
    for (;;) {
      const holders = await progress.retried(() => lost.remake(lostReset(reset)));
      if (holders.length === 0) break;
      const text = `its record is lost and processes hold its leases: stop them (${holders.join(', ')})`;
      progress.report({ state: 'waiting', holders }, text);
      if (progress.isOver) {
        progress.say({ state: 'waiting', holders }, `not begun in time: ${text}`);
        return 1;
      }
      await progress.pause();
    }
    return this.#reset(way, reset, await progress.retried(() => repartition.group()));
  }

  async #finish({ run, progress }: Way, change: LayoutChange): Promise<number> {
    const ended = await run.finish();
    if (ended === undefined) return 1;
    if (!isInForce(change, ended)) {
      progress.say({ state: 'cancelled' }, 'cancelled meanwhile; the group stays where it was');
      return 1;
    }
    sayDone(progress, ended);
    return 0;
  }

  async #report({ json }: GroupResetArguments, { ports, progress }: Way, found: Found): Promise<void> {
    const { record, target, isLost } = found;
    const rows = await progress.retried(() => reportReset(ports, record, target));
    const lost = isLost ? 'its record is lost; ' : '';
    progress.say(
      { state: 'planned', lost: isLost, ...target, rows },
      `${lost}${describeReset(target, rows)}; ${PARKED_NOTE}`,
    );
    if (!json) this.options.terminal.print(tableOfReset(rows));
  }

  async #confirm(
    { group, yes }: GroupResetArguments,
    record: GroupRecord,
    target: ResolvedTarget,
  ): Promise<void> {
    if (yes) return;
    const typed = await this.options.terminal.ask(
      `About to let group "${group ?? ''}" with ${record.partitions} partitions begin again at sequence ` +
        `${target.start.sequence + 1}. Type the name of the group to continue: `,
    );
    if (typed !== group) throw new UsageError('not confirmed; nothing was done (--yes does not ask)');
  }
}

interface Found {
  readonly record: GroupRecord;
  readonly target: ResolvedTarget;
  readonly isLost: boolean;
}

function lostReset({ to, id, target: { start } }: Reset): Parameters<LostGroup['plan']>[0] {
  return { to, id, start };
}

function sayDone(progress: Progress, { partitions, start, run }: GroupRecord): void {
  progress.say(
    { state: 'done', partitions, start, run },
    `done; the group has ${counted(partitions, 'partition')} and begins at sequence ${start.sequence + 1}, run ${run}`,
  );
}
