import { expect, test } from '@jest/globals';
import { runScript } from '../support/run-script.js';
import { serverForAll } from '../support/server.js';

// Code of the application may throw, answer nonsense or answer late, at every border where we call it. The borders:
// codec, guard, interceptor, filter, handler, classify, hooks, meter, logger, and the hooks of Nest's tools. One event
// pays each time.

const server = serverForAll();

/**
 * Events with bad code around them. FOREIGN_CODE_CASES asks for more, FOREIGN_CODE_SEED for the same ones again.
 * FOREIGN_CODE_FROM is the first case: 10 000 cases run in slices of 1 000, from 0, 1 000, 2 000 on.
 */
const cases = Number(process.env['FOREIGN_CODE_CASES'] ?? 200);
const from = Number(process.env['FOREIGN_CODE_FROM'] ?? 0);
const seed = Number(process.env['FOREIGN_CODE_SEED'] ?? Date.now() % 2 ** 31);

test(
  'a service whose own code misbehaves at every border ends each event, keeps the order of the others, and lives',
  async () => {
    console.log(
      `foreign code: FOREIGN_CODE_SEED=${seed} FOREIGN_CODE_FROM=${from} FOREIGN_CODE_CASES=${cases}`,
    );
    // Two rounds: without and with hooks of Nest's tools.
    const { code, output } = await runScript('dist/test/support/foreign-code-worker.js', [
      server().url,
      String(seed),
      String(from),
      String(Math.ceil(cases / 2)),
    ]);
    expect(output).toMatch(new RegExp(`^seed ${seed}, cases from ${from}: \\d+ events ended`, 'm'));
    expect(code).toBe(0);
    if (process.env['FOREIGN_CODE_CASES'] !== undefined) console.log(output);
  },
  60_000 + 100 * cases,
);
