import { Inject, Injectable } from '@nestjs/common';
import { SLOWEST, snapshotOf, type TransportSnapshot } from '../../observe/snapshot.js';
import { ObservedApp } from './observed-app.js';

/** How much a snapshot tells. */
export interface SnapshotOptions {
  /** Slow, stuck and blocked aggregates told of per group, from 0. Each costs some 200 bytes. @default 10 */
  readonly slowest?: number;
}

/** How the transport of this process stands, for a status page or an operator's question. */
@Injectable()
export class AggregateTransportStatus {
  constructor(@Inject(ObservedApp) private readonly observed: ObservedApp) {}

  /**
   * From memory, at once: connections, publishers, modes, handlers in flight, lanes, counts, the slowest aggregates,
   * and the parked ones of the partitions this process owns. It goes through all lanes once.
   *
   * From the server, by requests: `lag`, `unsettled`, `oldestUnsettledMs`, `settledThrough`, and the owners of
   * partitions that other processes hold. Per group that is one request for the stream and one for the group's record.
   * Per partition it is one for the position, one for the lease of another owner, and up to three where events wait. 16
   * run at once, and none begins later than 3 s. Calls within a second share them. What the server does not tell is
   * undefined, and `lookFailed` says why. This never rejects.
   *
   * Ages are the difference of the server's clock and this host's.
   */
  snapshot({ slowest = SLOWEST }: SnapshotOptions = {}): Promise<TransportSnapshot> {
    return snapshotOf(this.observed, this.observed.looks, Math.max(0, Math.floor(slowest)));
  }
}
