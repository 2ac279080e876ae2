import type { SabotagedRule } from '../no-sabotage.js';

/** Takes the place of `no-sabotage.ts` under `node --conditions=aggregate-transport-sabotage`. Not published. */
const rules = new Set((process.env['AGGREGATE_TRANSPORT_SABOTAGE'] ?? '').split(','));

export function isSabotaged(rule: SabotagedRule): boolean {
  return rules.has(rule);
}
