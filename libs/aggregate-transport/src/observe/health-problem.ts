/** What can be wrong; docs/operations/health.md says what each means and what to do. */
export type HealthProblemCode =
  | 'not-listening'
  | 'disconnected'
  | 'connection-closed'
  | 'jetstream-away'
  | 'attempts-fail'
  | 'breaker-open'
  | 'unowned'
  | 'not-committing'
  | 'not-publishing'
  | 'not-reading'
  | 'halted'
  | 'newer-version'
  | 'guard-refuses'
  | 'blocked'
  | 'parked'
  | 'stuck'
  | 'letters-refused'
  | 'events-lost'
  | 'retention-near'
  | 'mixed-handlers'
  | 'settings-changed';

/** Something an operator should look at. Names an aggregate at most; no payload, no credentials. */
export interface HealthProblem {
  /** What is wrong; decide on this. */
  readonly code: HealthProblemCode;
  /** Where; a part that is missing means all of them, or that it makes no difference. */
  readonly topic?: string;
  /** The group that it is about. */
  readonly group?: string;
  /** The partition that it is about, from 0. */
  readonly partition?: number;
  /** Milliseconds since 1970, by this host's clock. */
  readonly since: number;
  /** What was found, with the reason as the server or the handler gave it. */
  readonly why: string;
  /** What an operator does about it. */
  readonly do: string;
}

/** A problem as a part of the transport finds it. */
export interface Finding extends Omit<HealthProblem, 'since'> {
  /** For so many milliseconds, if that is known; else since it was first found. */
  readonly forMs?: number;
}

/**
 * Not ready: no event would be handled here, or nearly none; a rollout should stop. What one aggregate or one
 * partition has done to itself is not among them: other work of this process continues.
 */
const FAILS_READINESS: ReadonlySet<HealthProblemCode> = new Set([
  'not-listening',
  'disconnected',
  'connection-closed',
  'jetstream-away',
  'attempts-fail',
  'breaker-open',
]);

/** Not alive: only what a restart fixes. */
const FAILS_LIVENESS: ReadonlySet<HealthProblemCode> = new Set(['connection-closed']);

/** Logged where they are decided, with more than a problem can say. */
const SAID_AT_THEIR_SOURCE: ReadonlySet<HealthProblemCode> = new Set([
  'not-listening',
  'disconnected',
  'halted',
  'newer-version',
  'breaker-open',
  'guard-refuses',
  'blocked',
  'parked',
  'stuck',
  'letters-refused',
  'events-lost',
  'settings-changed',
]);

export function failsReadiness(code: HealthProblemCode): boolean {
  return FAILS_READINESS.has(code);
}

export function failsLiveness(code: HealthProblemCode): boolean {
  return FAILS_LIVENESS.has(code);
}

/** True if the log has a line of its own about the problem. */
export function isSaidAtItsSource(code: HealthProblemCode): boolean {
  return SAID_AT_THEIR_SOURCE.has(code);
}

/** For log texts: `topic "orders", group "billing", partition 3`. */
export function placeOf({ topic, group, partition }: Omit<Finding, 'code' | 'why' | 'do'>): string {
  const parts: string[] = [];
  if (topic !== undefined) parts.push(`topic "${topic}"`);
  if (group !== undefined) parts.push(`group "${group}"`);
  if (partition !== undefined) parts.push(`partition ${partition}`);
  return parts.length === 0 ? 'this process' : parts.join(', ');
}
