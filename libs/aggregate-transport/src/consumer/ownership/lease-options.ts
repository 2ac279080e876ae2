import type { Clock } from '../../clock.js';
import type { KeyPort } from '../../records/key-port.js';
import type { LayoutBarOptions } from '../layout-bar.js';
import type { LeaseFacts, LeaseRecord } from '../../records/lease-record.js';

export interface LeaseOptions extends LayoutBarOptions {
  /** Names this process; no other may use the same name. */
  readonly owner: string;
  readonly ttlMs: number;
  readonly port: KeyPort<LeaseRecord>;
  readonly clock: Clock;
  /** What the next renewal writes down. */
  readonly facts: () => LeaseFacts;
  readonly acquired: (previous: LeaseRecord | undefined) => void;
  readonly lost: (reason: string) => void;
  /** It is given up by `Lease.giveUpDrained`: nothing starts from here on. */
  readonly drained: () => void;
  /** The partition has another holder, as far as this process sees. */
  readonly holderChanged?: () => void;
}

/** See `Lease`. */
export type LeaseMode = 'idle' | 'standby' | 'seeking' | 'held' | 'closed';
