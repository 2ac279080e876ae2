import { defineCommand } from '../command/command.js';
import { namesOf, partitionsOf } from '../command/values.js';
import { CHANGE_FLAGS, changeArguments, changeOptions } from './change-command.js';
import { GroupResetCommand } from './group-reset.js';

export const resetCommand = defineCommand({
  name: 'group reset',
  flags: { ...CHANGE_FLAGS, to: 'string', partitions: 'string', id: 'string', 'dry-run': 'boolean' },
  words: 3,
  help: [
    ['TOPIC GROUP --to start', 'begin again at the first event of the stream'],
    ['TOPIC GROUP --to end', 'give up what is not handled yet'],
    ['TOPIC GROUP --to sequence:N', 'handle N first'],
    ['TOPIC GROUP --to time:T', 'handle what was stored at T or later, 2026-01-31T12:00:00Z'],
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
    return () =>
      surroundings.connected((connection) =>
        new GroupResetCommand(changeOptions(surroundings, connection)).run(args),
      );
  },
});
