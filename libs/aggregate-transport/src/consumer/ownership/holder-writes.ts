import type { LeaseRecord } from '../../records/lease-record.js';
import type { LeaseOptions } from './lease-options.js';

/** What the holder of a lease writes into it. Each write has a number of its own, so that no other is taken for it. */
export class HolderWrites {
  #beat = 0;

  constructor(private readonly options: Pick<LeaseOptions, 'owner' | 'ttlMs' | 'port' | 'listener'>) {}

  /** The next record. */
  record(epoch: number): LeaseRecord {
    const { owner, ttlMs, listener } = this.options;
    return { owner, ttlMs, epoch, beat: ++this.#beat, ...listener.facts() };
  }

  /** Writes that the lease is free. Resolves with false if that is not confirmed; a request that fails is told. */
  async release(epoch: number, revision: number, failed: (error: unknown) => void): Promise<boolean> {
    try {
      return (
        (await this.options.port.write({ ...this.record(epoch), released: true }, revision)) !== undefined
      );
    } catch (error) {
      failed(error);
      return false;
    }
  }
}
