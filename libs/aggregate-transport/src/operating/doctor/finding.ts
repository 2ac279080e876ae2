/** `warn`: it works, and may not later. `fail`: a service with these options does not start, or does not work. */
export type Level = 'ok' | 'warn' | 'fail';

/** One line of a doctor's report. Never holds a payload or a credential. */
export interface Finding {
  readonly check: string;
  /** Missing for what concerns all topics. */
  readonly topic?: string;
  readonly level: Level;
  readonly found: string;
  /** What an operator does about it; missing for `ok`. */
  readonly todo?: string;
}

/** True if nothing fails. Pure. */
export function isHealthy(findings: readonly Finding[]): boolean {
  return findings.every(({ level }) => level !== 'fail');
}
