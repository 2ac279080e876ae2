import { decodeUnsettled } from '../harness/position-tap.js';
import { groupBy } from './finding.js';
import type { History, Ms, PositionWrite } from './history.js';

/** A position that an owner began with, and that the server has stored. */
export interface Claim extends PositionWrite {
  /** From here on it is known to stand: never too early. */
  readonly standsAt: Ms;
  isSettled(sequence: number): boolean;
}

export interface Claims {
  /** In the order of their epochs, per partition. */
  readonly standing: readonly Claim[];
  /** Epochs with starts whose claim cannot be told: the tap was away. As `partition epoch`. */
  readonly unheard: ReadonlySet<string>;
  of(partition: number, epoch: number): Claim | undefined;
}

export function nameOf(partition: number, epoch: number): string {
  return `partition ${partition}, epoch ${epoch}`;
}

/**
 * Which claims stood. An owner may write its claim several times: an earlier copy was refused, or its answer was lost.
 * The stored one counts. If no answer passed by, the claim counts when its epoch went on to write or to start events,
 * and all copies say the same.
 */
export function claimsOf({ positions, attempts }: Pick<History, 'positions' | 'attempts'>): Claims {
  const standing = new Map<string, Claim>();
  const unheard = new Set<string>();
  const firstStart = new Map<string, Ms>();
  for (const { partition, epoch, start } of attempts) {
    const name = nameOf(partition, epoch);
    if (!firstStart.has(name)) firstStart.set(name, start);
  }
  const epochs = groupBy(positions, ({ partition, epoch }) => nameOf(partition, epoch));
  for (const [name, writes] of epochs) {
    const claim = standingOf(writes, firstStart.get(String(name)));
    if (claim !== undefined) standing.set(String(name), claim);
  }
  for (const name of firstStart.keys()) if (!standing.has(name)) unheard.add(name);
  const ordered = [...standing.values()].sort((a, b) => a.partition - b.partition || a.epoch - b.epoch);
  return { standing: ordered, unheard, of: (partition, epoch) => standing.get(nameOf(partition, epoch)) };
}

function standingOf(writes: readonly PositionWrite[], firstStart: Ms | undefined): Claim | undefined {
  const claims = writes.filter(({ write, outcome }) => write === 1 && outcome !== 'refused');
  const stored = claims.find(({ outcome }) => outcome === 'stored');
  if (stored !== undefined) return toClaim(stored, stored.answeredAt ?? stored.at);
  const shownAt = Math.min(
    firstStart ?? Infinity,
    ...writes.filter(({ write }) => write > 1).map(({ at }) => at),
  );
  const [claim, ...copies] = claims;
  const isAmbiguous = copies.some(
    ({ high, unsettled }) => high !== claim?.high || unsettled !== claim.unsettled,
  );
  return claim === undefined || isAmbiguous || shownAt === Infinity ? undefined : toClaim(claim, shownAt);
}

function toClaim(write: PositionWrite, standsAt: Ms): Claim {
  return { ...write, standsAt, isSettled: settledBy(write) };
}

/** What a position says of a sequence of its partition. */
function settledBy({
  high,
  unsettled,
}: Pick<PositionWrite, 'high' | 'unsettled'>): (sequence: number) => boolean {
  const open = new Set(decodeUnsettled(unsettled));
  return (sequence) => sequence <= high && !open.has(sequence);
}
