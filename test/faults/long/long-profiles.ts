import { groupBy } from '../oracle/finding.js';
import { runHung } from './hung.js';
import { runNeverSettles } from './never-settles.js';
import { quantile } from '../consumer/report.js';

/** Runs with one aggregate that is stuck all the time. They take as long as they are told. */
export const LONG_PROFILES = ['hung', 'never-settles'] as const;
export type LongProfile = (typeof LONG_PROFILES)[number];

export interface LongOptions {
  readonly forMs: number;
  readonly serverVersion: string;
  readonly say: (text: string) => void;
}

const EVENTS_PER_SECOND = 5_000;
const FAULT_EVERY_MS = 10_000;
/** Short runs see some faults, too. */
const FAULTS_PER_RUN = 5;
const BACKLOG = 100_000;
const TAKEOVER_BOUND_MS = 1_000;
const LEAST_RATIO = 0.9;
const SHOWN_FINDINGS = 10;

/** Runs it and prints what it found; resolves with true if every promise held. */
export async function runLong(profile: LongProfile, options: LongOptions): Promise<boolean> {
  return profile === 'hung' ? proveHung(options) : proveNeverSettles(options);
}

async function proveHung(options: LongOptions): Promise<boolean> {
  const faultEveryMs = Math.min(FAULT_EVERY_MS, options.forMs / FAULTS_PER_RUN);
  const result = await runHung({
    ...options,
    eventsPerSecond: EVENTS_PER_SECOND,
    takeoverBoundMs: TAKEOVER_BOUND_MS,
    faultEveryMs,
  });
  const { findings, takeovers, ...figures } = result;
  const byReason = groupBy(takeovers, ({ reason }) => reason);
  const times = [...byReason].map(([reason, ofReason]) => {
    const ms = ofReason.map((takeover) => takeover.ms);
    return [reason, { count: ms.length, medianMs: quantile(ms, 0.5), maxMs: Math.max(...ms) }] as const;
  });
  print(findings);
  console.log(
    JSON.stringify({
      profile: 'hung',
      ...figures,
      takeovers: Object.fromEntries(times),
      findings: findings.length,
    }),
  );
  // Too few takeovers, or an event that was never far behind, prove nothing.
  return findings.length === 0 && takeovers.length > 2 && result.farBehind > 0;
}

async function proveNeverSettles(options: LongOptions): Promise<boolean> {
  const { findings, without, withStuck, ratio, ...figures } = await runNeverSettles({
    ...options,
    backlog: BACKLOG,
    leastRatio: LEAST_RATIO,
  });
  print(findings);
  console.log(
    JSON.stringify({
      profile: 'never-settles',
      ...figures,
      phases: without.length,
      withoutPerSecond: quantile(without, 0.5),
      withStuckPerSecond: quantile(withStuck, 0.5),
      ratio: Number(ratio.toFixed(3)),
      findings: findings.length,
    }),
  );
  return findings.length === 0;
}

function print(findings: readonly string[]): void {
  for (const text of findings.slice(0, SHOWN_FINDINGS)) console.log(`  ${text}`);
  if (findings.length > SHOWN_FINDINGS) console.log(`  and ${findings.length - SHOWN_FINDINGS} more`);
}
