import type { PostgresRule } from '#postgres/sabotage.js';
import type { RunResult } from './run-once.js';

export function tellLateOwner(_options: {
  readonly seed: number;
  readonly serverVersion: string;
  readonly sabotage?: PostgresRule | undefined;
}): Promise<RunResult> {
  return Promise.reject(new Error('to be written'));
}
