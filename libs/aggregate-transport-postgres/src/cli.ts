// The door of the command line: `npx aggregate-transport postgres …` loads it from the project's own package.
import type { AddOnSurroundings } from 'nestjs-aggregate-transport/operating';
import { checkUse, parse, usageOf } from './cli/arguments.js';
import { runInboxCommand } from './cli/inbox-command.js';
import { runOutboxCommand } from './cli/outbox-command.js';
import { runPostgresCommand } from './cli/postgres-command.js';
import type { Terminal } from './cli/terminal.js';

/** Carries out a command of this package. Resolves with the exit code: 0 done, 1 not done. */
export async function run(
  area: string,
  args: readonly string[],
  terminal: Terminal,
  surroundings: AddOnSurroundings,
): Promise<number> {
  const { accessFlags } = surroundings;
  const { values, positionals } = parse(args, accessFlags);
  const [verb] = positionals;
  if (values.help === true || verb === undefined) {
    terminal.print(usageOf(area));
    return 0;
  }
  checkUse(area, positionals, values, accessFlags);
  if (area === 'outbox') return runOutboxCommand(positionals, values, { terminal, surroundings });
  if (area === 'inbox') return runInboxCommand(positionals, values, terminal);
  return runPostgresCommand(verb, values, terminal);
}
