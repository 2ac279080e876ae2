import { defineCommand } from '../command/command.js';
import { namesOf, partitionsOf } from '../command/values.js';
import { CHANGE_FLAGS, changeArguments, changeOptions } from './change-command.js';
import { RepartitionCommand } from './repartition.js';

export const repartitionCommand = defineCommand({
  name: 'repartition',
  flags: CHANGE_FLAGS,
  words: 3,
  help: [
    ['TOPIC GROUP N', "change the group's number of partitions"],
    ['[--wait MS]', 'how long to wait for its end, 600000'],
    ['TOPIC GROUP --resume', 'continue the change that is under way'],
    ['TOPIC GROUP --cancel', 'call it off; the group stays as it is'],
  ],
  prepare({ flags, words }, surroundings) {
    const args = {
      ...namesOf(words, flags),
      partitions: partitionsOf(words[2]),
      ...changeArguments(flags),
    };
    return () =>
      surroundings.connected((connection) =>
        new RepartitionCommand(changeOptions(surroundings, connection)).run(args),
      );
  },
});
