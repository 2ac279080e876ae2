import type { ConsumerInfo } from '../api/api-types.js';

/** Words about a reader, which change nothing that it delivers. */
const WORDS: ReadonlySet<string> = new Set(['description', 'metadata', 'pause_until']);

/**
 * What was changed of a reader since the server made it; undefined if nothing was. All settings are compared, also
 * those of servers to come: the server's own answers name them. Pure.
 */
export function describeEdit(
  made: Pick<ConsumerInfo, 'config'>,
  found: Pick<ConsumerInfo, 'config' | 'paused'>,
): string | undefined {
  const differences: string[] = [];
  if (found.paused === true) differences.push('expected it to deliver, found it paused');
  const settings = new Set([...Object.keys(made.config), ...Object.keys(found.config)]);
  for (const setting of settings) {
    if (WORDS.has(setting)) continue;
    const [before, now] = [made.config[setting], found.config[setting]].map(describe);
    if (before !== now) differences.push(`expected ${setting} ${before}, found ${now}`);
  }
  return differences.length === 0 ? undefined : differences.join('; ');
}

function describe(value: unknown): string {
  return value === undefined ? 'unset' : JSON.stringify(value);
}
