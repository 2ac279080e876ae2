import type { Repartition } from '../../consumer/repartition/repartition.js';
import { describeHolders, type OperationEnd } from '../../operating/groups/reset.js';
import type { Progress } from './progress.js';

/** Tells of a change that did not come to its end here. Resolves to the exit code. */
export function sayUnfinished(progress: Progress, end: Exclude<OperationEnd, { kind: 'done' }>): number {
  if (end.kind === 'late') {
    progress.say(
      end.step,
      `not done in time: ${end.text}; the replicas continue the change without this command; run it again with ` +
        '--resume to watch it, or with --cancel to call it off',
    );
  } else if (end.kind === 'held') {
    const { holders } = end;
    progress.say({ state: 'waiting', holders }, `not begun in time: ${describeHolders(holders)}`);
  } else progress.say({ state: 'cancelled' }, 'cancelled meanwhile; the group stays where it was');
  return 1;
}

/** Calls off the change under way. Resolves with the exit code. */
export async function cancelChange(repartition: Repartition, progress: Progress): Promise<number> {
  const { patience } = progress;
  const cancelled = await patience.retried(() => repartition.cancel());
  const { partitions } = await patience.retried(() => repartition.group());
  progress.say(
    { state: cancelled ? 'cancelled' : 'none', partitions },
    cancelled
      ? `cancelled; the group keeps ${partitions} partitions`
      : `no change is under way; the group has ${partitions} partitions`,
  );
  return cancelled ? 0 : 1;
}
