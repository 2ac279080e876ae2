import { describe, expect, test } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { PassingMap } from '#library/passing-map.js';
import { runScript } from '../support/run-script.js';

const WORKER = fileURLToPath(new URL('../../dist/test/support/passing-entries-worker.js', import.meta.url));

async function oldBytesOf(kind: 'engine' | 'passing'): Promise<number> {
  const { output } = await runScript(WORKER, [kind]);
  return Number(output);
}

describe('a map through which entries pass', () => {
  test('answers as a plain map does, after any sets and deletes', () => {
    const key = fc.integer({ min: 0, max: 40 });
    const step = fc.oneof(
      fc.record({ does: fc.constant('set' as const), key }),
      fc.record({ does: fc.constant('delete' as const), key }),
      fc.record({ does: fc.constant('clear' as const), key }),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1_000, maxLength: 3_000 }), (steps) => {
        const plain = new Map<number, number>();
        const passing = new PassingMap<number, number>();
        for (const [index, { does, key: of }] of steps.entries()) {
          if (does === 'clear' && index % 50 === 0) {
            plain.clear();
            passing.clear();
          } else if (does === 'set') {
            plain.set(of, index);
            passing.set(of, index);
          } else expect(passing.delete(of)).toBe(plain.delete(of));
          expect([passing.size, passing.has(of), passing.get(of)]).toEqual([
            plain.size,
            plain.has(of),
            plain.get(of),
          ]);
        }
        expect([...passing]).toEqual([...plain]);
        expect([[...passing.keys()], [...passing.values()]]).toEqual([
          [...plain.keys()],
          [...plain.values()],
        ]);
      }),
      { numRuns: 20 },
    );
  });

  test('leaves nothing in old memory of what has passed, unlike the map of the engine', async () => {
    const [engine, passing] = [await oldBytesOf('engine'), await oldBytesOf('passing')];
    expect(passing).toBeLessThan(engine / 4);
  });
});
