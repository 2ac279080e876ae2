import type { NatsServer } from 'nestjs-aggregate-transport/testing';
import type { Goal } from './goal.js';
import type { Contender, Metric, Section } from './section.js';

/** What a suite compares, before it is measured. */
export interface Comparison {
  readonly id: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  readonly baseline: string;
  readonly contenders: readonly Contender[];
  /** This many rounds; `--rounds` does not count: where one is short, or the promise names a number. */
  readonly rounds?: number;
  /** At most so many rounds, where one takes long. */
  readonly maxRounds?: number;
  /** Rounds before those that count. @default 1 */
  readonly warmUps?: number;
  /** Written under the table; from what was measured, if it is a function. */
  readonly notes?: readonly string[] | ((section: Section) => readonly string[]);
}

/** What a suite runs on. */
export interface Bench {
  /** A server of this run alone, with file storage; of a suite with several servers the first. */
  readonly server: NatsServer;
  /** Where that server tells its counters over HTTP; '' in a cluster. */
  readonly monitorUrl: string;
  /** How much of the full work to do: 1, or a small part of it to see that a suite still runs. */
  readonly scale: number;
  /** This many of something, made smaller by the scale, but no smaller than `least`. */
  scaled(full: number, least?: number): number;
  /** Interleaves the contenders round by round, and shows and keeps the table. */
  compare(comparison: Comparison): Promise<Section>;
}

export interface Suite {
  readonly name: string;
  /** One line for `npm run bench -- --list`. */
  readonly about: string;
  readonly goals: readonly Goal[];
  /** Servers in one cluster, from 2 on; one server alone by default. */
  readonly servers?: number;
  /** Its smallest run takes a second or two and starts no processes: part of the tests. */
  readonly isQuick?: boolean;
  run(bench: Bench): Promise<void>;
}
