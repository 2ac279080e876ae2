import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../command/terminal.js';
import type { Environment, NatsContext } from '../command/access-flags.js';

/** Fields of a context that ask for more than a connection by files and texts. */
const UNSUPPORTED = ['nsc', 'windows_cert_store', 'socks_proxy'] as const;

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
  return contextOf(text, file);
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
