import { aggregateCommands } from './aggregate/aggregate-commands.js';
import type { Command } from './command/command.js';
import { groupCommands } from './group/group-commands.js';
import { repartitionCommand } from './group/repartition-command.js';
import { parkedCommands } from './parked/parked-commands.js';
import { statusCommand } from './status/status-command.js';

/** All commands of this package, in the order in which help names them. */
export const COMMANDS: readonly Command[] = [
  statusCommand,
  ...parkedCommands,
  ...aggregateCommands,
  ...groupCommands,
  repartitionCommand,
];
