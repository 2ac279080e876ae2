import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../command/terminal.js';
import type { Environment, NatsContext } from '../command/access-flags.js';

/** Fields of a context that ask for more than a connection by files and texts. */
const UNSUPPORTED = ['nsc', 'windows_cert_store', 'socks_proxy'] as const;

/** Fields that name a file: `~` and variables are filled in there, and `file://` may stand before it. */
const FILES = ['creds', 'nkey', 'cert', 'key', 'ca'] as const;
/** Fields whose texts are taken as they are. */
const TEXTS = ['password', 'token', 'user_jwt', 'user_seed'] as const;
/** One letter before a colon is a drive. */
const SCHEME = /^([a-z][a-z\d+.-]+):/i;
/** Where the `nats` command line fetches a secret from. Of a text with another scheme it takes the text itself. */
const FETCHED = ['file', 'op', 'nsc', 'env', 'data'];

/**
 * The folder of the `nats` command line: `XDG_CONFIG_HOME/nats`, else `~/.config/nats`. Undefined without a home. Pure.
 */
export function contextFolder(environment: Environment): string | undefined {
  const { XDG_CONFIG_HOME: config, HOME: home } = environment;
  if (config !== undefined && config !== '') return join(config, 'nats');
  return home === undefined || home === '' ? undefined : join(home, '.config', 'nats');
}

/**
 * The context of that name, or the selected one; empty if none is named and none is selected.
 * @throws UsageError if a named one cannot be read, or asks for what is not supported
 */
export async function readContext(
  name: string | undefined,
  folder: string | undefined,
  environment: Environment = {},
): Promise<NatsContext> {
  const found = name ?? (await selectedIn(folder));
  if (found === undefined || found === '') return {};
  if (folder === undefined || found.includes('..') || /[\\/]/.test(found))
    throw new UsageError(`expected the name of a context, found "${found}"; see nats context ls`);
  const file = join(folder, 'context', `${found}.json`);
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined)
    throw new UsageError(
      `expected context "${found}" in ${file}, found no file that can be read; see nats context ls`,
    );
  return withFiles(contextOf(text, file), file, environment);
}

function contextOf(text: string, file: string): NatsContext {
  const context = parsed(text);
  // Its content is not shown: it may hold a password.
  if (context === undefined)
    throw new UsageError(`expected ${file} to hold a JSON object, found something else`);
  const asked = UNSUPPORTED.find((field) => (context[field] ?? '') !== '');
  if (asked === undefined) return context;
  throw new UsageError(
    `expected a context without "${asked}", found it in ${file}; name the server and a credentials file instead`,
  );
}

/** The context with its files as paths. @throws UsageError for what would have to be fetched */
function withFiles(context: NatsContext, file: string, environment: Environment): NatsContext {
  const schemeOf = (field: keyof NatsContext): string | undefined =>
    SCHEME.exec(String(context[field] ?? ''))?.[1]?.toLowerCase();
  const refused = (field: string, scheme: string): UsageError =>
    new UsageError(
      `expected "${field}" of a context to be ${FILES.some((one) => one === field) ? 'a file' : 'the text itself'}, ` +
        `found ${scheme}: in ${file}; name a credentials file instead`,
    );
  for (const field of TEXTS) {
    const scheme = schemeOf(field);
    if (scheme !== undefined && FETCHED.includes(scheme)) throw refused(field, scheme);
  }
  const paths = FILES.flatMap((field) => {
    const text = context[field] ?? '';
    const scheme = schemeOf(field);
    if (scheme !== undefined && scheme !== 'file') throw refused(field, scheme);
    return text === '' ? [] : [[field, pathIn(text, environment)] as const];
  });
  return { ...context, ...Object.fromEntries(paths) };
}

function pathIn(text: string, environment: Environment): string {
  const path = text
    .replace(/^file:(?:\/\/)?/i, '')
    .replace(/\$(?:\{(\w+)\}|(\w+))/g, (_whole, braced?: string, bare?: string) => {
      return environment[braced ?? bare ?? ''] ?? '';
    });
  return path.replace(/^~(?=$|[\\/])/, environment['HOME'] ?? '~');
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

async function selectedIn(folder: string | undefined): Promise<string | undefined> {
  if (folder === undefined) return undefined;
  const text = await readFile(join(folder, 'context.txt'), 'utf8').catch(() => '');
  return text.trim();
}
