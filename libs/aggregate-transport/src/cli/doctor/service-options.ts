import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describeError } from '../../errors.js';
import { optionsIn } from '../../operating/doctor/module-options.js';
import type { AggregateTransportOptions } from '../../transport/options.js';
import { type ResolvedOptions, resolveOptions } from '../../transport/resolve-options.js';
import { UsageError } from '../command/terminal.js';

/** What a module file says, or why it says nothing. */
export type ServiceOptions = { readonly options: ResolvedOptions } | { readonly why: string };

/**
 * The options of the application in this file. The file is loaded; no application is made of it.
 * @throws UsageError if the file cannot be loaded, OPTIONS_INVALID if its options are wrong
 */
export async function serviceOptions(file: string): Promise<ServiceOptions> {
  const found = await optionsIn(await load(file));
  if (found.kind === 'none') return { why: `no AggregateTransportModule.forRoot is reached from ${file}` };
  if (found.kind === 'injected')
    return {
      why: `the options in ${file} are made by a factory with dependencies, which only a running application has`,
    };
  return { options: resolveOptions(found.options as AggregateTransportOptions) };
}

async function load(file: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(resolve(file)).href)) as Record<string, unknown>;
  } catch (error) {
    throw new UsageError(
      `expected --module to name a built file that exports the root module, found ${describeError(error)}`,
    );
  }
}
