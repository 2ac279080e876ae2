import { defineCommand } from '../command/command.js';
import { UsageError } from '../command/terminal.js';
import { namesOf, numberOf, partitionsOf } from '../command/values.js';
import { AggregateResetCommand } from './aggregate-reset.js';
import { CHANGE_FLAGS, changeArguments, changeOptions } from './change-command.js';
import { GroupResetCommand } from './group-reset.js';

const AGGREGATE_WAIT_MS = 600_000;

export const resetCommand = defineCommand({
  name: 'group reset',
  flags: {
    ...CHANGE_FLAGS,
    to: 'string',
    partitions: 'string',
    id: 'string',
    aggregate: 'string',
    'dry-run': 'boolean',
  },
  words: 3,
  help: [
    ['TOPIC GROUP --to start', 'begin again at the first event of the stream'],
    ['TOPIC GROUP --to end', 'give up what is not handled yet'],
    ['TOPIC GROUP --to sequence:N', 'handle N first'],
    ['TOPIC GROUP --to time:T', 'handle what was stored at T or later, 2026-01-31T12:00:00Z'],
    ['TOPIC GROUP --to start --aggregate ID', 'handle the events of one aggregate again; its owner does it'],
    ['[--partitions N]', 'change the number of partitions with it'],
    ['[--id ID]', 'the same id again is the same reset'],
    ['[--dry-run]', 'only tell what it means for each partition'],
    ['[--wait MS]', 'how long to wait for its end, 600000'],
    ['TOPIC GROUP --resume', 'continue the change that is under way'],
    ['TOPIC GROUP --cancel', 'call it off; the group stays as it is'],
  ],
  prepare({ flags, words }, surroundings) {
    const args = {
      ...namesOf(words, flags),
      to: flags.to,
      toValue: words[2],
      partitions: partitionsOf(flags.partitions),
      id: flags.id,
      dryRun: flags['dry-run'] === true,
      ...changeArguments(flags),
    };
    const { aggregate: aggregateId } = flags;
    if (aggregateId !== undefined) {
      requireNone(flags, ['partitions', 'id', 'resume']);
      const waitMs = numberOf('wait', flags.wait, { otherwise: AGGREGATE_WAIT_MS });
      return () =>
        surroundings.connected((connection) =>
          new AggregateResetCommand(surroundings, connection).run({ ...args, aggregateId, waitMs }),
        );
    }
    return () =>
      surroundings.connected((connection) =>
        new GroupResetCommand(changeOptions(surroundings, connection)).run(args),
      );
  },
});

/** @throws UsageError */
function requireNone(flags: Readonly<Record<string, unknown>>, names: readonly string[]): void {
  const given = names.find((name) => flags[name] !== undefined);
  if (given !== undefined) throw new UsageError(`--${given} does not go with --aggregate`);
}
