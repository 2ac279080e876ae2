// The door of the command line: `npx aggregate-transport postgres …` loads it from the project's own package.
import { OUTBOX_USAGE, parse, USAGE } from './cli/arguments.js';
import { runOutboxCommand } from './cli/outbox-command.js';
import { runPostgresCommand } from './cli/postgres-command.js';
import { type Terminal, UsageError } from './cli/terminal.js';

/** Carries out a command of this package. Resolves with the exit code: 0 done, 1 not done. */
export async function run(area: string, args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(args);
  const [verb] = positionals;
  if (values.help === true || verb === undefined) {
    terminal.print(area === 'outbox' ? OUTBOX_USAGE : USAGE);
    return 0;
  }
  if (area === 'outbox') return runOutboxCommand(positionals, values, terminal);
  if (area === 'postgres') return runPostgresCommand(verb, values, terminal);
  throw new UsageError(`unknown command "${area} ${verb}"\n\n${USAGE}`);
}
