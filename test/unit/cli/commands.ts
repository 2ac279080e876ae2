import type { ChangeCommandOptions } from '#library/cli/group/change-way.js';
import type { GroupPorts } from '#library/operating/groups/group-ports.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

/** A command's options over fake keys, with all that it prints. Time passes by itself while the command waits. */
export function commandOver(ports: GroupPorts): {
  readonly options: ChangeCommandOptions;
  readonly clock: ManualClock;
  readonly printed: string[];
  typed: string | undefined;
  run<T>(command: Promise<T>): Promise<T>;
} {
  const printed: string[] = [];
  const clock = new ManualClock();
  const bench = {
    options: {
      ports: () => ports,
      clock,
      owner: 'cli',
      terminal: {
        print: (text: string) => void printed.push(text),
        ask: () => Promise.resolve(bench.typed),
      },
    },
    clock,
    printed,
    typed: undefined as string | undefined,
    async run<T>(command: Promise<T>): Promise<T> {
      const state = { isOver: false };
      const end = command.finally(() => {
        state.isOver = true;
      });
      end.catch(() => undefined);
      for (let step = 0; !state.isOver && step < 10_000; step++) await clock.advance(200);
      return end;
    },
  };
  return bench;
}
