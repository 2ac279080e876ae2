import type { PostgresRule } from '../sabotage.js';

/** Takes the place of `sabotage.ts` under `node --conditions=aggregate-transport-sabotage`. Not published. */
export function isSabotaged(rule: PostgresRule): boolean {
  return process.env['AGGREGATE_TRANSPORT_SABOTAGE'] === rule;
}

const steps: NodeJS.EventEmitter = process;

/** The process itself tells of its steps, so that a test decides what happens there. */
export function reached(step: string): void {
  steps.emit('aggregate-transport: step', step);
}
