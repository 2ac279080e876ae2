import type { Log } from '../log.js';
import { type HealthProblem, isSaidAtItsSource, placeOf } from './health-problem.js';

/** What fields say of a problem. Pure. */
function fieldsOf({ code: problem, topic, group, partition }: HealthProblem) {
  return {
    problem,
    ...(topic === undefined ? {} : { topic }),
    ...(group === undefined ? {} : { group }),
    ...(partition === undefined ? {} : { partition }),
  };
}

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
      const { code, why, do: remedy } = problem;
      this.log.write(
        'health-degraded',
        { ...fieldsOf(problem), why, remedy },
        `${placeOf(problem)}: health goes down, ${code}: ${why}; ${remedy}`,
      );
    }
    for (const [key, problem] of this.#known) {
      if (now.has(key)) continue;
      const ageMs = Math.round(Math.max(0, wallNow - problem.since));
      this.log.write(
        'health-restored',
        { ...fieldsOf(problem), ageMs },
        `${placeOf(problem)}: ${problem.code} is over, after ${ageMs} ms`,
      );
    }
    this.#known = now;
  }
}
