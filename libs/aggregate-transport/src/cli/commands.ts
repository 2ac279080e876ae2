import { askCommand } from './ask/ask-command.js';
import { aggregateCommands } from './aggregate/aggregate-commands.js';
import { asyncApiCommand } from './asyncapi/asyncapi-command.js';
import type { Command } from './command/command.js';
import { groupCommands } from './group/group-commands.js';
import { doctorCommand } from './doctor/doctor-command.js';
import { repartitionCommand } from './group/repartition-command.js';
import { editCommand } from './parked/edit-command.js';
import { parkedCommands } from './parked/parked-commands.js';
import { exportCommand, importCommand } from './parked/transfer-commands.js';
import { mcpCommand } from './mcp/mcp-command.js';
import { copyCommand } from './topic/copy-command.js';
import { topicEditCommand } from './topic/edit-command.js';
import { statusCommand } from './status/status-command.js';
import { verifyCommand } from './verify/verify-command.js';

/** All commands of this package, in the order in which help names them. */
export const COMMANDS: readonly Command[] = [
  statusCommand,
  doctorCommand,
  verifyCommand,
  ...parkedCommands,
  ...aggregateCommands,
  editCommand,
  exportCommand,
  importCommand,
  ...groupCommands,
  askCommand,
  copyCommand,
  topicEditCommand,
  repartitionCommand,
  asyncApiCommand,
  mcpCommand,
];
