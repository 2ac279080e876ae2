import type { AggregateAnswer, AggregateState } from '../../asking/answers.js';
import { errorAnswerOf } from '../../asking/error-answer.js';
import type { LaneNow } from '../../consumer/lanes/lane-report.js';
import { aggregateIdOf } from '../../message/subject.js';

/** A publisher may name a type as long as it likes. */
const MAX_TYPE = 200;

/** The clock of this process, and the wall clock, at one moment. */
export interface Moment {
  readonly now: number;
  readonly wallNow: number;
}

/** An aggregate's lane as an answer tells of it. Pure. */
export function aggregateAnswerOf(lane: LaneNow, partition: number, moment: Moment): AggregateAnswer {
  const { token, mode, size, event, runsAgainAt } = lane;
  const at = (time: number): number => Math.round(moment.wallNow - (moment.now - time));
  const base = { aggregateId: aggregateIdOf(token), partition, state: stateOf(lane) };
  const isRunning = mode === 'running';
  if (event === undefined) return { ...base, isRunning, attempt: 0, queued: size };
  const { sequence, attempt, lastFailure, envelope } = event;
  const type = envelope?.event_type.slice(0, MAX_TYPE);
  return {
    ...{ ...base, isRunning, sequence, attempt, queued: size },
    ...(type === undefined ? {} : { type }),
    ...(attempt === 0 ? {} : { since: at(event.firstStartedAt), startedAt: at(event.startedAt) }),
    ...(mode === 'waiting' && attempt > 0 ? { nextAt: at(runsAgainAt) } : {}),
    ...(lastFailure === undefined ? {} : { error: errorAnswerOf(lastFailure) }),
  };
}

/** Pure. */
export function stateOf({ mode, event, isLetter }: LaneNow): AggregateState {
  if (event?.reportedStuck === true && mode === 'running') return 'stuck';
  if (event?.lastFailure?.outcome === 'block') return 'blocked';
  if (isLetter) return 'letters';
  if (event?.lastFailure !== undefined) return 'retrying';
  return mode === 'running' ? 'running' : 'waiting';
}
