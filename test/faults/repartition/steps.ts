import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Who is stopped at a step of a change of layout. */
export type By = 'command' | 'replica';

const BOTH: readonly By[] = ['command', 'replica'];

/** Every step at which a process may be stopped, and who comes there. */
export const STEPS: Readonly<Record<string, readonly By[]>> = {
  'repartition: begun': ['command'],
  'repartition: draining': ['replica'],
  'repartition: partition drained': ['replica'],
  'repartition: lease prepared': BOTH,
  'repartition: switched': BOTH,
  'repartition: consumers removed': BOTH,
  'repartition: complete': BOTH,
  'repartition: layout opened': ['replica'],
  'repartition: consumer made': ['replica'],
  'repartition: cancelled': ['command'],
};

/** Steps that are taken once for each partition. */
export const PER_PARTITION = /drained|prepared|removed|made/;

const LIBRARY = 'libs/aggregate-transport/src';

/** The steps that the library's source names. */
export function stepsInSource(): string[] {
  const steps = new Set<string>();
  for (const folder of ['consumer', 'nest', 'stream', 'cli']) {
    for (const file of readdirSync(join(LIBRARY, folder))) {
      const source = readFileSync(join(LIBRARY, folder, file), 'utf8');
      for (const [, step] of source.matchAll(/\breached\('(repartition: [^']+)'\)/g)) steps.add(step!);
    }
  }
  return [...steps].sort();
}
