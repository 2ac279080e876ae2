import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const LIBRARY = 'libs/aggregate-transport/src';
const STEP = /\breached\('([^']+)'\)/g;

/** The steps that the library's source names and that a fault test may stop at, as far as they match. */
export function stepsInSource(pattern: RegExp): string[] {
  const steps = new Set<string>();
  for (const file of readdirSync(LIBRARY, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const source = readFileSync(join(LIBRARY, file), 'utf8');
    for (const [, step = ''] of source.matchAll(STEP)) if (pattern.test(step)) steps.add(step);
  }
  return [...steps].sort();
}
