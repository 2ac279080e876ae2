import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describeError } from '../../../errors.js';
import { optionsIn } from '../../../operating/doctor/module-options.js';
import { UsageError } from '../../command/terminal.js';

/** An event as a run gives it to a function of the user. */
export interface VerifiedEvent {
  readonly aggregateId: string;
  /** 1, 2, 3, … per aggregate. */
  readonly number: number;
  readonly type: string;
  readonly payload: unknown;
}

/** Type and payload of an event, as the user's file makes them. */
export interface MadeEvent {
  readonly type: string;
  readonly payload: unknown;
}

/** What a file of handlers may export. */
export interface UserHandlers {
  /** The default export: a function that handles one event, or a class with `@Module` whose controllers do. */
  readonly handler:
    | { readonly kind: 'function'; readonly handle: (event: VerifiedEvent, context: object) => unknown }
    | { readonly kind: 'module'; readonly module: new (...args: never[]) => unknown };
  /** The export `event`, if there is one. */
  readonly event: ((of: { aggregateId: string; number: number }) => MadeEvent) | undefined;
}

const DEFAULT_EVENT: MadeEvent = { type: 'Verified', payload: { from: 'aggregate-transport verify' } };

/**
 * Loads the file of the user's handlers.
 * @throws UsageError with what is wrong about it
 */
export async function loadHandlers(file: string): Promise<UserHandlers> {
  let exported: Record<string, unknown>;
  try {
    exported = (await import(pathToFileURL(resolve(file)).href)) as Record<string, unknown>;
  } catch (error) {
    throw new UsageError(`expected ${file} to load, found that it fails: ${describeError(error)}`);
  }
  // Of CommonJS that was compiled from `export default`, the module itself is the default.
  const inner = (exported['default'] as { default?: unknown } | undefined)?.default;
  const found = inner ?? exported['default'];
  const event = exported['event'] ?? (exported['default'] as { event?: unknown } | undefined)?.event;
  if (typeof found !== 'function')
    throw new UsageError(
      `expected ${file} to export a function or a Nest module class as its default, found ${typeof found}`,
    );
  if (event !== undefined && typeof event !== 'function')
    throw new UsageError(`expected the export "event" of ${file} to be a function, found ${typeof event}`);
  const makes = event as UserHandlers['event'];
  if (!isModule(found)) return { handler: { kind: 'function', handle: found as never }, event: makes };
  if ((await optionsIn({ found })).kind !== 'none')
    throw new UsageError(
      `expected the module of ${file} without AggregateTransportModule.forRoot, found it; the run brings its own: ` +
        'export a module with the controllers alone',
    );
  return { handler: { kind: 'module', module: found as never }, event: makes };
}

/**
 * What the user's file makes of an event, or the default.
 * @throws UsageError if it throws, or makes no event
 */
export function makeEvent(
  make: UserHandlers['event'],
  of: { aggregateId: string; number: number },
): MadeEvent {
  if (make === undefined) return DEFAULT_EVENT;
  let made: unknown;
  try {
    made = make(of);
  } catch (error) {
    throw new UsageError(
      `expected the export "event" to make an event, found that it throws: ${describeError(error)}`,
    );
  }
  const { type, payload } = (made ?? {}) as Partial<MadeEvent>;
  if (typeof type === 'string' && type !== '') return { type, payload };
  throw new UsageError('expected the export "event" to return { type, payload }, found no type');
}

/** What Nest's `@Module` leaves on a class. */
function isModule(value: object): boolean {
  const { getOwnMetadataKeys } = Reflect as { getOwnMetadataKeys?: (target: object) => unknown[] };
  const keys = getOwnMetadataKeys?.(value) ?? [];
  return ['imports', 'controllers', 'providers', 'exports'].some((key) => keys.includes(key));
}
