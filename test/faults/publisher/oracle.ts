import { checkOutcomes } from './check-outcomes.js';
import { checkStored } from './check-stored.js';
import { checkWire } from './check-wire.js';
import type { Finding } from './finding.js';
import type { History } from './history.js';

/** What shows that a run could have failed. */
export interface Evidence {
  readonly calls: number;
  /** Copies that left. */
  readonly resends: number;
  /** Copies the server recognised. */
  readonly duplicates: number;
  readonly unavailable: number;
  readonly refused: number;
  readonly unknown: number;
  readonly predecessorRejected: number;
  readonly predecessorUnknown: number;
  readonly saturated: number;
  readonly aborted: number;
  readonly lives: number;
}

export interface Verdict {
  readonly findings: readonly Finding[];
  readonly evidence: Evidence;
}

/** Judges a run from its journals and the stream. Pure. */
export function judge(history: History): Verdict {
  return {
    findings: [...checkStored(history), ...checkWire(history), ...checkOutcomes(history)],
    evidence: evidenceOf(history),
  };
}

function evidenceOf({ calls, lives, wire }: History): Evidence {
  const sent = wire.flatMap((line) => (line.what === 'sent' ? [`${line.life} ${line.key} ${line.n}`] : []));
  const answers = wire.flatMap((line) => (line.what === 'answer' ? [line.answer] : []));
  const answered = (answer: string): number => answers.filter((one) => one === answer).length;
  const told = (code: string): number => calls.filter((call) => call.code === code).length;
  return {
    calls: calls.length,
    resends: sent.length - new Set(sent).size,
    duplicates: answered('duplicate'),
    unavailable: answered('unavailable'),
    refused: answered('refused'),
    unknown: told('OUTCOME_UNKNOWN'),
    predecessorRejected: told('PREDECESSOR_REJECTED'),
    predecessorUnknown: told('PREDECESSOR_UNKNOWN'),
    saturated: told('PUBLISHER_SATURATED'),
    aborted: told('ABORTED'),
    lives: lives.length,
  };
}
