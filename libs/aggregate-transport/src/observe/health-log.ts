import type { Log } from '../log.js';
import { type HealthProblem, isSaidAtItsSource, placeOf } from './health-problem.js';

/** Says in the log when a problem begins and when it is over, if no other line says so. */
export class HealthLog {
  #known = new Map<string, HealthProblem>();

  constructor(private readonly log: Log) {}

  /** These are all problems there are at this moment. */
  note(problems: readonly HealthProblem[], wallNow: number): void {
    const now = new Map<string, HealthProblem>();
    for (const problem of problems) {
      if (isSaidAtItsSource(problem.code)) continue;
      const key = `${problem.code} ${placeOf(problem)}`;
      now.set(key, problem);
      if (this.#known.has(key)) continue;
      this.log.warn(`${placeOf(problem)}: health goes down, ${problem.code}: ${problem.why}; ${problem.do}`);
    }
    for (const [key, problem] of this.#known) {
      if (now.has(key)) continue;
      const ms = Math.max(0, wallNow - problem.since);
      this.log.info(`${placeOf(problem)}: ${problem.code} is over, after ${Math.round(ms)} ms`);
    }
    this.#known = now;
  }
}
