import { planFault as planOf, type PlannedFault as Planned } from '#library/verifying/harness/fault-plan.js';

/** Every kind of fault the nemesis knows; `quiet` is the absence of one. */
export const FAULT_KINDS = [
  'kill',
  'late-kill',
  'freeze',
  'roll',
  'roll-hanging',
  'block',
  'hang',
  'hang-lapse',
  'cut',
  'cut-storm',
  'burst-cut',
  'cut-publisher',
  'deaf-publisher',
  'lost-answers',
  'refused',
  'lag',
  'deaf',
  'blackhole-c2s',
  'blackhole-s2c',
  'blackhole-both',
  'server-kill',
  'server-freeze',
  'double-kill',
  'readers-deleted',
  'foreign-pull',
  'quiet',
] as const;
/** What only a cluster has. */
const STEP_DOWNS = [
  'stepdown-topic',
  'stepdown-positions',
  'stepdown-leases',
  'stepdown-all',
  'stepdown-meta',
] as const;
/** In a cluster a server kill, or a freeze, takes one node of three. */
export const CLUSTER_FAULT_KINDS = [...FAULT_KINDS, ...STEP_DOWNS, ...STEP_DOWNS, 'lagging-replica'] as const;
/** What happens to a group of many replicas; one that leaves stays away for a while. */
export const REPLICA_FAULT_KINDS = [
  'kill',
  'freeze',
  'roll',
  'roll-hanging',
  'leave',
  'leave',
  'rolling',
  'cut',
  'quiet',
] as const;
export const CLUSTER_REPLICA_FAULT_KINDS = [...REPLICA_FAULT_KINDS, ...STEP_DOWNS] as const;
export type FaultKind = (typeof CLUSTER_FAULT_KINDS | typeof REPLICA_FAULT_KINDS)[number];

export type PlannedFault = Planned<FaultKind>;

/** How long a fault of each kind lasts, in milliseconds. The lease of a run stands for 1 500. */
const DURATIONS: Record<FaultKind, readonly [number, number]> = {
  kill: [0, 2_500],
  // What the process sends is held for longer than a lease, arrives, and the process dies right after.
  'late-kill': [1_900, 2_600],
  freeze: [1_700, 6_000],
  roll: [0, 300],
  'roll-hanging': [0, 300],
  leave: [1_000, 3_500],
  // All replicas, one after the other.
  rolling: [0, 0],
  block: [1_900, 3_000],
  hang: [1_500, 4_000],
  // Ends when the lease is over and no other process may take it yet: the same process gets it again.
  'hang-lapse': [1_450, 1_600],
  cut: [0, 0],
  'cut-storm': [120, 270],
  // From the burst to the cuts.
  'burst-cut': [200, 400],
  'lost-answers': [100, 1_500],
  refused: [500, 2_500],
  'cut-publisher': [0, 0],
  // Longer than a publisher waits before it sends an event again.
  'deaf-publisher': [600, 1_500],
  // Shorter than anything that notices it: what was sent arrives late and all at once.
  lag: [200, 600],
  // The process has much to do when it goes deaf, and keeps its lease for most of the time.
  deaf: [800, 1_100],
  'blackhole-c2s': [1_000, 4_000],
  'blackhole-s2c': [1_000, 4_000],
  'blackhole-both': [1_000, 4_000],
  'server-kill': [0, 1_200],
  'server-freeze': [300, 2_500],
  'double-kill': [0, 1_200],
  'readers-deleted': [0, 0],
  'foreign-pull': [300, 300],
  quiet: [700, 1_500],
  'stepdown-topic': [0, 0],
  'stepdown-positions': [0, 0],
  'stepdown-leases': [0, 0],
  'stepdown-all': [0, 0],
  'stepdown-meta': [0, 0],
  'lagging-replica': [2_500, 3_500],
};

/** What the nemesis does at a tick. Pure. */
export function planFault(
  seed: number,
  tick: number,
  deck: { readonly partitions: number; readonly kinds: readonly FaultKind[] },
): PlannedFault {
  return planOf(seed, tick, { ...deck, durations: DURATIONS });
}
