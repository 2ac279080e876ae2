import { execFile } from 'node:child_process';
import { expect, test } from '@jest/globals';

interface Told {
  readonly handled: number;
  readonly loaded: readonly string[];
}

function run(way: 'plain' | 'traced'): Promise<Told> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['dist/test/support/tracing-worker.js', way], (error, output) =>
      error instanceof Error ? reject(error) : resolve(JSON.parse(output) as Told),
    );
  });
}

test('nothing of @opentelemetry/api is loaded without option tracing, and with it it is', async () => {
  const [plain, traced] = await Promise.all([run('plain'), run('traced')]);
  expect(plain).toEqual({ handled: 1, loaded: [] });
  expect(traced.handled).toBe(1);
  expect(traced.loaded.length).toBeGreaterThan(0);
});
