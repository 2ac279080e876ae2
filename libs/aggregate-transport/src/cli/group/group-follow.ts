import type { Clock } from '../../clock.js';
import { hasCode } from '../../errors.js';
import type { FollowSample, GroupLag } from '../../operating/groups/follow.js';
import type { Groups } from '../../operating/groups/groups.js';
import type { Terminal } from '../command/terminal.js';
import { jsonLine } from '../command/json-line.js';

/** What the command line says. */
export interface FollowArguments {
  readonly topic: string;
  readonly group: string;
  readonly with: string | undefined;
  /** False: it does not end when the group has caught up. */
  readonly untilCaughtUp: boolean;
  readonly withinMs: number;
  readonly maxLag: number | undefined;
  readonly maxParked: number;
  readonly everyMs: number;
  /** Undefined: as long as it takes. */
  readonly waitMs: number | undefined;
  readonly json: boolean;
}

export interface FollowCommandOptions {
  readonly groups: Pick<Groups, 'follow'>;
  readonly terminal: Pick<Terminal, 'print'>;
  readonly clock: Clock;
}

/** `aggregate-transport group follow`. Resolves with the exit code: 1 if it was to catch up, and did not in time. */
export class FollowCommand {
  constructor(private readonly options: FollowCommandOptions) {}

  async run(args: FollowArguments, end: AbortController): Promise<number> {
    const { clock } = this.options;
    const late = args.waitMs === undefined ? undefined : clock.after(args.waitMs, () => end.abort());
    try {
      return await this.#follow(args, end.signal);
    } catch (error) {
      // It was told to end, by its user or by the time.
      if (hasCode(error, 'ABORTED')) return args.untilCaughtUp ? 1 : 0;
      throw error;
    } finally {
      late?.cancel();
    }
  }

  async #follow(args: FollowArguments, signal: AbortSignal): Promise<number> {
    const { with: beside, withinMs, maxLag, maxParked, everyMs, untilCaughtUp } = args;
    const options = { with: beside, withinMs, maxLag, maxParked, everyMs, goOn: !untilCaughtUp, signal };
    for await (const sample of this.options.groups.follow(args.group, options)) this.#print(sample, args);
    return 0;
  }

  #print(sample: FollowSample, { json }: FollowArguments): void {
    const { terminal } = this.options;
    if (json) {
      terminal.print(jsonLine('group-lag', sample));
      return;
    }
    const { at, group, beside, waitsFor, secondsLeft } = sample;
    const others = beside === undefined ? '' : `   ${describeLag(beside)}`;
    const left = (secondsLeft ?? 0) === 0 ? '' : `about ${secondsLeft ?? 0} s left, `;
    const stands = waitsFor.length === 0 ? 'caught up' : `${left}waits: ${waitsFor.join('; ')}`;
    terminal.print(`${at.toISOString()}   ${describeLag(group)}${others}   ${stands}`);
  }
}

function describeLag({ group, lag, parked, owned, partitions }: GroupLag): string {
  const aside = parked === 0 ? '' : `, ${parked} parked`;
  const unowned = owned === partitions ? '' : `, ${owned} of ${partitions} partitions owned`;
  return `${group}: lag ${lag ?? 'unknown'}${aside}${unowned}`;
}
