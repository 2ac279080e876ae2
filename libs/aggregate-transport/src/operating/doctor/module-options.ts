/** The token of the options that `forRoot` is given. */
const OPTIONS_TOKEN = 'AGGREGATE_TRANSPORT_OPTIONS';
/** Of Nest's metadata of a module. */
const IMPORTS = 'imports';

/** What was found in a module file. */
export type FoundOptions =
  | { readonly kind: 'options'; readonly options: unknown }
  /** `forRootAsync` whose factory needs other providers: they are known to a running application alone. */
  | { readonly kind: 'injected' }
  | { readonly kind: 'none' };

interface OptionsProvider {
  readonly provide?: unknown;
  readonly useValue?: unknown;
  readonly useFactory?: (...args: unknown[]) => unknown;
  readonly inject?: readonly unknown[];
}

/**
 * Looks for the options of `AggregateTransportModule.forRoot` in what a file exports, and in all modules those import.
 * No application is made, so nothing connects and nothing starts. A factory without dependencies is called.
 */
export async function optionsIn(exported: Readonly<Record<string, unknown>>): Promise<FoundOptions> {
  const seen = new Set<unknown>();
  const waiting: unknown[] = Object.values(exported).filter(
    (value) => typeof value === 'function' || isObject(value),
  );
  for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
    const module = await settled(one);
    if (seen.has(module)) continue;
    seen.add(module);
    const found = await optionsOf(module);
    if (found !== undefined) return found;
    waiting.push(...importsOf(module));
  }
  return { kind: 'none' };
}

async function optionsOf(module: unknown): Promise<FoundOptions | undefined> {
  const provider = listOf(module, 'providers').find(
    (one): one is OptionsProvider => isObject(one) && (one as OptionsProvider).provide === OPTIONS_TOKEN,
  );
  if (provider === undefined) return undefined;
  if (provider.useFactory === undefined)
    return provider.useValue === undefined
      ? { kind: 'injected' }
      : { kind: 'options', options: provider.useValue };
  if ((provider.inject ?? []).length > 0) return { kind: 'injected' };
  return { kind: 'options', options: await provider.useFactory() };
}

/** A module is a class with metadata, an object that names such a class, or a reference made by `forwardRef`. */
function importsOf(module: unknown): unknown[] {
  const { forwardRef, module: inner } = (module ?? {}) as { forwardRef?: () => unknown; module?: unknown };
  const reflect = Reflect as { getMetadata?: (key: string, of: object) => unknown };
  const declared = typeof module === 'function' ? reflect.getMetadata?.(IMPORTS, module) : undefined;
  return [
    ...(Array.isArray(declared) ? (declared as unknown[]) : []),
    ...listOf(module, IMPORTS),
    ...(typeof forwardRef === 'function' ? [forwardRef()] : []),
    ...(typeof inner === 'function' ? [inner] : []),
  ];
}

function listOf(module: unknown, name: string): unknown[] {
  const list = isObject(module) ? (module as Record<string, unknown>)[name] : undefined;
  return Array.isArray(list) ? (list as unknown[]) : [];
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Nest takes promises of dynamic modules. */
function settled(value: unknown): Promise<unknown> {
  return Promise.resolve(value);
}
