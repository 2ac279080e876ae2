import { parseArgs } from 'node:util';
import { CreateError } from './create-error.js';

export const USAGE = `usage: npm create aggregate-service NAME [-- OPTIONS]

  --topic TOPIC      the topic whose events the service publishes and handles (orders)
  --yes              ask nothing, and take what is not given by default
  --no-install       write the files only
  --library SPEC     the library to install: a version, a tag or file:PATH of a tarball
  --help             print this`;

/** What the command line says; what it leaves out is asked, or taken by default. */
export interface Arguments {
  readonly name: string | undefined;
  readonly topic: string | undefined;
  readonly library: string | undefined;
  readonly isSilent: boolean;
  readonly installs: boolean;
  readonly wantsHelp: boolean;
}

const OPTIONS = {
  topic: { type: 'string' },
  library: { type: 'string' },
  yes: { type: 'boolean', short: 'y', default: false },
  install: { type: 'boolean', default: true },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** @throws CreateError with the usage, for an unknown option or a second name */
export function readArguments(args: readonly string[]): Arguments {
  const { values, positionals } = parsed(args);
  if (positionals.length > 1)
    throw new CreateError(
      `expected one name, found ${positionals.join(' ')}; leave the others out\n\n${USAGE}`,
    );
  return {
    name: positionals[0],
    topic: values.topic,
    library: values.library,
    isSilent: values.yes,
    installs: values.install,
    wantsHelp: values.help,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, allowNegative: true });
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new CreateError(`${found}\n\n${USAGE}`, { cause });
  }
}
