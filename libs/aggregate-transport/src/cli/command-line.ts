import { parseArgs } from 'node:util';
import { type Command, type CommandInput, COMMON, type Flags } from './command/command.js';
import { UsageError } from './command/terminal.js';

/** What a command line asks for. */
export interface Asked {
  /** Undefined if help alone is asked for. */
  readonly command: Command | undefined;
  readonly isHelp: boolean;
  readonly input: CommandInput<Flags>;
}

/** The number of words of the longest name. */
const NAME_WORDS = 2;

/**
 * Finds the command and refuses what would be passed over in silence: options and words it does not know. Pure.
 * @throws UsageError
 */
export function readCommandLine(args: readonly string[], commands: readonly Command[]): Asked {
  const { values, positionals } = parse(args, commands);
  // Each was read as the kind that its name has in all commands.
  const flags = values as CommandInput<Flags>['flags'];
  const command = commandOf(positionals, commands);
  const isHelp = flags.help === true || positionals.length === 0;
  if (command === undefined) {
    if (isHelp) return { command, isHelp, input: { flags, words: [] } };
    throw new UsageError(notUnderstood(positionals, commands));
  }
  const words = positionals.slice(command.name.split(' ').length);
  if (!isHelp) check(command, Object.keys(values), words);
  return { command, isHelp, input: { flags, words } };
}

function commandOf(positionals: readonly string[], commands: readonly Command[]): Command | undefined {
  for (let length = NAME_WORDS; length > 0; length--) {
    const name = positionals.slice(0, length).join(' ');
    const found = commands.find((command) => command.name === name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function notUnderstood([area = '', verb]: readonly string[], commands: readonly Command[]): string {
  const verbs = commands.flatMap(({ name }) =>
    name.startsWith(`${area} `) ? [name.slice(area.length + 1)] : [],
  );
  if (verbs.length === 0) return `unknown command "${[area, verb].filter(Boolean).join(' ')}"; see --help`;
  const found = verb === undefined ? 'nothing' : `"${verb}"`;
  return `expected one of ${verbs.join(', ')} after "${area}", found ${found}; see --help`;
}

function check(
  { name, flags, words: most }: Command,
  used: readonly string[],
  words: readonly string[],
): void {
  const known = [...Object.keys(flags), ...Object.keys(COMMON)];
  const other = used.find((flag) => !known.includes(flag));
  if (other !== undefined) {
    const all = known.map((flag) => `--${flag}`).join(', ');
    throw new UsageError(`expected an option of "${name}", found --${other}; it has ${all}`);
  }
  const extra = words[most];
  if (extra !== undefined)
    throw new UsageError(`expected at most ${most} words after "${name}", found "${extra}" too; see --help`);
}

/** Options stand anywhere on the line, so a name means one kind in all commands. */
function parse(args: readonly string[], commands: readonly Command[]) {
  const flags: Flags = Object.assign({}, COMMON, ...commands.map((command) => command.flags)) as Flags;
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, type]) => [name, name === 'help' ? { type, short: 'h' } : { type }]),
  );
  try {
    const { values, positionals, tokens } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options,
      tokens: true,
    });
    const used = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []));
    const twice = used.find((name, index) => used.indexOf(name) < index);
    // Only the last one would count.
    if (twice !== undefined) throw new UsageError(`expected --${twice} once, found it twice`);
    return { values, positionals };
  } catch (error) {
    throw usageErrorOf(error);
  }
}

/** Node's own texts speak of positional arguments. */
function usageErrorOf(error: unknown): UsageError {
  if (error instanceof UsageError) return error;
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  const option = /'((?:-\w, )?-{1,2}[\w-]+)/.exec(message ?? '')?.[1] ?? 'an option';
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION')
    return new UsageError(`expected a known option, found ${option}; see --help`);
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') {
    return message?.includes('does not take an argument') === true
      ? new UsageError(`expected ${option} without a value, found one`)
      : new UsageError(
          `expected a value after ${option}, found none (a value that begins with "-": ${option}=VALUE)`,
        );
  }
  return new UsageError(message ?? String(error));
}
