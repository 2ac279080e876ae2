import type { SabotagedRule } from '../sabotage.js';

/** Takes the place of `sabotage.ts` under `node --conditions=aggregate-transport-sabotage`. Not published. */
export function isSabotaged(rule: SabotagedRule): boolean {
  // Read each time: the process that runs all sabotages has its publisher sabotaged by turns.
  return process.env['AGGREGATE_TRANSPORT_SABOTAGE'] === rule;
}

/** `kill:<step>` or `freeze:<step>`, and optionally `#<n>`: the n-th time the process comes there. */
const [, fault, fatalStep, nth] =
  /^(kill|freeze):(.*?)(?:#(\d+))?$/.exec(process.env['AGGREGATE_TRANSPORT_STOP_AT'] ?? '') ?? [];
let passes = 0;

const steps: NodeJS.EventEmitter = process;

export function reached(step: string): void {
  // For tests that decide while the process runs.
  steps.emit('aggregate-transport: step', step);
  if (step !== fatalStep || ++passes !== Number(nth ?? '1')) return;
  process.kill(process.pid, fault === 'freeze' ? 'SIGSTOP' : 'SIGKILL');
}
