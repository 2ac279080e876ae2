import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const STEP = /\breached\('([^']+)'\)/g;

/** The steps that a library's source names and that a fault test may stop at, as far as they match. */
export function stepsInSource(pattern: RegExp, library = 'aggregate-transport'): string[] {
  const folder = join('libs', library, 'src');
  const steps = new Set<string>();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const source = readFileSync(join(folder, file), 'utf8');
    for (const [, step = ''] of source.matchAll(STEP)) if (pattern.test(step)) steps.add(step);
  }
  return [...steps].sort();
}
