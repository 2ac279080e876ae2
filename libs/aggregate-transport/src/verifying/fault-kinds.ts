/** What `verify` does to the processes of a run and to their connections. Never to a server. */
export const FAULT_KINDS = [
  // SIGKILL, and a new process in its place.
  'kill',
  // SIGSTOP for longer than the lease, then SIGCONT.
  'freeze',
  // SIGTERM: an orderly end, and a new process in its place.
  'stop',
  // The connection breaks, and can be made again at once.
  'cut',
  // The connection breaks, and none can be made for a while.
  'refuse',
  // Nothing arrives either way for longer than the lease; then all of it does.
  'stall',
  // What the process sends does not arrive for longer than the lease; it still hears the server.
  'mute',
  // The server's answers do not arrive, and are lost with the connection.
  'deafen',
  // The same for a publisher: its connection breaks, or the server's answers arrive late.
  'cut-publisher',
  'stall-publisher',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/** Shorter leases than a service has, so that a minute holds many failovers. In milliseconds. */
export const LEASE_TTL_MS = 1_500;

/**
 * A machine or a server that stands still for so long may cost a lease, once or by adding up. Shorter pauses come with
 * any collector of garbage.
 */
export const STILL_MS = LEASE_TTL_MS / 10;

/** How long a fault of each kind lasts, in milliseconds. */
export const FAULT_DURATIONS: Readonly<Record<FaultKind, readonly [number, number]>> = {
  kill: [0, 2_000],
  freeze: [LEASE_TTL_MS + 300, 4_000],
  stop: [0, 1_000],
  cut: [0, 0],
  refuse: [500, 2_500],
  stall: [LEASE_TTL_MS + 300, 4_000],
  mute: [LEASE_TTL_MS + 300, 3_500],
  deafen: [100, 1_500],
  'cut-publisher': [0, 0],
  // Longer than a publisher waits before it sends an event again.
  'stall-publisher': [600, 1_500],
};

/** What this platform can do. Windows has no SIGSTOP. Pure. */
export function kindsOn(platform: NodeJS.Platform): {
  readonly kinds: readonly FaultKind[];
  readonly skipped: readonly FaultKind[];
} {
  const skipped: readonly FaultKind[] = platform === 'win32' ? ['freeze'] : [];
  return { kinds: FAULT_KINDS.filter((kind) => !skipped.includes(kind)), skipped };
}
