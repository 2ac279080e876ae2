import type { WitnessReport } from '../../billing/src/witness.js';
import { quantile, type VerdictLine } from './verdict.js';

/** What billing's witness says of `total` events; `aggregate` names what they belong to. */
export function orderLines(witness: WitnessReport, total: number, aggregate: string): VerdictLine[] {
  return [
    { what: 'events handled', value: witness.handled, holds: witness.handled === total },
    { what: 'attempts repeated after a failure', value: witness.retried },
    { what: 'order violations', value: witness.orderViolations, holds: witness.orderViolations === 0 },
    { what: `handlers of one ${aggregate} at once`, value: witness.overlaps, holds: witness.overlaps === 0 },
  ];
}

/** How fast it went, in figures that promise nothing. */
export function speedLines(witness: WitnessReport, perSecond: VerdictLine): VerdictLine[] {
  return [
    perSecond,
    { what: 'publish to handled, p50', value: `${quantile(witness.latencies, 0.5)} ms` },
    { what: 'publish to handled, p99 (retries included)', value: `${quantile(witness.latencies, 0.99)} ms` },
  ];
}
