import { checkOutcomes } from './check-outcomes.js';
import { checkStored } from './check-stored.js';
import { checkWire } from './check-wire.js';
import type { Finding } from './finding.js';
import type { History } from './history.js';
import type { DriverLine } from './journal-lines.js';

/** What shows that a run could have failed. */
export interface Evidence {
  readonly calls: number;
  /** Copies that left. */
  readonly resends: number;
  /** Copies the server recognised. */
  readonly duplicates: number;
  readonly unavailable: number;
  readonly notStored: number;
  readonly refused: number;
  readonly unknown: number;
  readonly predecessorRejected: number;
  readonly predecessorUnknown: number;
  readonly saturated: number;
  readonly aborted: number;
  readonly lives: number;
  /** Stored as one, and the publisher heard so. */
  readonly batches: number;
  readonly batchesRefused: number;
  /** Sent whole, and no answer reached the publisher. */
  readonly batchesLost: number;
  /** Opened, and never sent whole. */
  readonly batchesUnfilled: number;
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
    notStored: answered('not-stored'),
    refused: answered('refused'),
    unknown: told('OUTCOME_UNKNOWN'),
    predecessorRejected: told('PREDECESSOR_REJECTED'),
    predecessorUnknown: told('PREDECESSOR_UNKNOWN'),
    saturated: told('PUBLISHER_SATURATED'),
    aborted: told('ABORTED'),
    lives: lives.length,
    ...batchesOf(wire),
  };
}

type BatchEvidence = Pick<Evidence, 'batches' | 'batchesRefused' | 'batchesLost' | 'batchesUnfilled'>;

function batchesOf(wire: readonly DriverLine[]): BatchEvidence {
  const whole = new Set<string>();
  const begun = new Set<string>();
  const answers = new Map<string, string>();
  for (const line of wire) {
    if (line.what === 'sent' && line.batch !== undefined)
      (line.batch.isLast ? whole : begun).add(line.batch.id);
    if (line.what === 'answer' && line.batch !== undefined && whole.has(line.batch))
      answers.set(line.batch, line.answer);
  }
  const answered = (how: string): number => [...answers.values()].filter((answer) => answer === how).length;
  return {
    batches: answered('stored'),
    batchesRefused: answered('refused') + answered('not-stored') + answered('unavailable'),
    batchesLost: whole.size - answers.size,
    batchesUnfilled: begun.size - whole.size,
  };
}

/**
 * How many faults of each kind began or lasted while a batch was under way. It is under way from its first event to
 * its answer, or to what follows it.
 */
export function faultsOnBatches(wire: readonly DriverLine[]): Map<string, number> {
  const struck = new Map<string, number>();
  /** Batches under way, each by its life and key. */
  const under = new Map<string, string>();
  const faults: { readonly kind: string; isStruck: boolean }[] = [];
  for (const line of wire) {
    if (line.what === 'fault' && line.on) faults.push({ kind: line.kind, isStruck: under.size > 0 });
    else if (line.what === 'fault') {
      const [ended] = faults.splice(
        faults.findIndex(({ kind }) => kind === line.kind),
        1,
      );
      if (ended?.isStruck === true) struck.set(line.kind, (struck.get(line.kind) ?? 0) + 1);
    } else if (line.what === 'exit') {
      for (const name of under.keys()) if (name.startsWith(`${line.life} `)) under.delete(name);
    } else if (line.what === 'sent') {
      const name = `${line.life} ${line.key}`;
      if (line.batch === undefined) under.delete(name);
      else under.set(name, line.batch.id);
      if (line.batch !== undefined) for (const fault of faults) fault.isStruck = true;
    } else if (line.what === 'answer' && line.answer !== 'opened') {
      const name = `${line.life} ${line.key}`;
      if (line.batch !== undefined && under.get(name) === line.batch) under.delete(name);
    }
  }
  return struck;
}
