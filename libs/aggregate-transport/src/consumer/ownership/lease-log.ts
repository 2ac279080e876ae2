import { describeError, errorFields } from '../../errors.js';
import type { LeaseOptions } from './lease-options.js';

/** Says what becomes of a lease. */
export class LeaseLog {
  constructor(private readonly options: Pick<LeaseOptions, 'name' | 'log'>) {}

  held(epoch: number): void {
    const { log, name } = this.options;
    log.write('lease-held', { epoch }, `${name}: lease held, epoch ${epoch}`);
  }

  lost(epoch: number, why: string): void {
    const { log, name } = this.options;
    log.write('lease-lost', { epoch, why }, `${name}: the lease is lost: ${why}`);
  }

  takenAgain(why: string): void {
    const { log, name } = this.options;
    log.write('lease-taken-again', { why }, `${name}: the lease is taken again under a new epoch: ${why}`);
  }

  takenOver(epoch: number): void {
    const { log, name } = this.options;
    const text = `${name}: the lease was free for long, so it is held here`;
    log.write('lease-taken-over', { epoch }, text);
  }

  notReleased(error: unknown): void {
    const { log, name } = this.options;
    const text = `${name}: the lease was not released, trying again: ${describeError(error)}`;
    log.write('lease-not-released', errorFields(error), text);
  }

  notAnswered(error: unknown): void {
    const { log, name } = this.options;
    const text = `${name}: the lease could not be read or written, trying again: ${describeError(error)}`;
    log.write('lease-not-answered', errorFields(error), text);
  }
}
