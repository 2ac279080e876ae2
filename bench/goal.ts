import { ratioIn, type Section, spreadIn, valuesOf } from './section.js';

/** What a suite must show; data, so that the table can say what was asked, what was measured, and whether it is met. */
export interface Goal {
  readonly text: string;
  readonly section: string;
  readonly contender: string;
  readonly metric: string;
  /** Divide by this contender, round by round. Without it the value itself counts. */
  readonly against?: string;
  /** `median` of the rounds, or the `worst` one (for what must never happen). @default 'median' */
  readonly of?: 'median' | 'worst';
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Judgement {
  readonly goal: Goal;
  /** NaN if the section or the contender was not run. */
  readonly measured: number;
  readonly verdict: 'met' | 'missed' | 'not measured';
}

/** Compares what was measured with what was asked. Pure. */
export function judge(goal: Goal, sections: readonly Section[]): Judgement {
  const section = sections.find(({ id }) => id === goal.section);
  const measured = section === undefined ? Number.NaN : measure(goal, section);
  if (Number.isNaN(measured)) return { goal, measured, verdict: 'not measured' };
  const met =
    measured >= (goal.atLeast ?? Number.NEGATIVE_INFINITY) &&
    measured <= (goal.atMost ?? Number.POSITIVE_INFINITY);
  return { goal, measured, verdict: met ? 'met' : 'missed' };
}

function measure(goal: Goal, section: Section): number {
  const { contender, metric, against } = goal;
  if (goal.of === 'worst') {
    const values = valuesOf(section, contender, metric).filter((value) => !Number.isNaN(value));
    if (values.length === 0) return Number.NaN;
    return goal.atMost === undefined ? Math.min(...values) : Math.max(...values);
  }
  const spread =
    against === undefined
      ? spreadIn(section, contender, metric)
      : ratioIn(section, contender, against, metric);
  return spread.median;
}
