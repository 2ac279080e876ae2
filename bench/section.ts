import { type Spread, ratios, spreadOf } from './statistics.js';

/** One thing that is measured of each contender. */
export interface Metric {
  readonly key: string;
  /** Such as `events/s` or `p99 ms`; the table's heading. */
  readonly unit: string;
  readonly better: 'more' | 'less';
}

/** What one run of a contender gave, by metric. */
export type Sample = Readonly<Record<string, number>>;

/** What is compared with what: contenders of one section do the same work, one after the other, round by round. */
export interface Contender {
  readonly name: string;
  /** One run. What it needs is made before the clock starts, and removed when it ends. */
  run(round: number): Promise<Sample>;
}

export interface Measured {
  readonly name: string;
  /** One per round, in order; a round in which the contender gave no such value has NaN. */
  readonly samples: readonly Sample[];
}

/** A table of results. The first metric is the one that ratios and the picture are about. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  /** The contender that ratios divide by. */
  readonly baseline: string;
  readonly contenders: readonly Measured[];
  /** What the reader must know, or what the figures show. */
  readonly notes: readonly string[];
}

export function valuesOf(section: Section, contender: string, metric: string): number[] {
  const measured = section.contenders.find(({ name }) => name === contender);
  return (measured?.samples ?? []).map((sample) => sample[metric] ?? Number.NaN);
}

export function spreadIn(section: Section, contender: string, metric: string): Spread {
  return spreadOf(valuesOf(section, contender, metric).filter((value) => !Number.isNaN(value)));
}

/** The contender's ratio to another one, round by round. */
export function ratioIn(section: Section, contender: string, against: string, metric: string): Spread {
  const values = ratios(valuesOf(section, contender, metric), valuesOf(section, against, metric));
  return spreadOf(values.filter((value) => !Number.isNaN(value)));
}
