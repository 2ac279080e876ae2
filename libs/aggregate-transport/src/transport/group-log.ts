import { describeError, errorFields } from '../errors.js';
import type { LogAt } from '../log.js';
import type { GroupRecord } from '../records/group-record.js';

/** Says what becomes of a group that this process serves. */
export class GroupLog {
  constructor(
    /** For log texts: topic and group. */
    private readonly name: string,
    private readonly log: LogAt<'group'>,
  ) {}

  served({ partitions, layout }: GroupRecord, member: string): void {
    this.log.write(
      'group-served',
      { partitions, layout, member },
      `${this.name}: serves ${partitions} partition(s), layout ${layout}, as replica ${member}`,
    );
  }

  notRead(error: unknown): void {
    const text = `${this.name}: its record cannot be followed, trying again: ${describeError(error)}`;
    this.log.write('record-not-read', errorFields(error), text);
  }

  changeBegun(partitions: number, change: number, what: string): void {
    this.log.write(
      'change-begun',
      { partitions, change },
      `${this.name}: its ${partitions} partitions ${what}; nothing new starts until all are drained`,
    );
  }

  changeCancelled(partitions: number): void {
    const text = `${this.name}: the change of its layout was cancelled, ${partitions} partitions stay`;
    this.log.write('change-cancelled', { partitions }, text);
  }

  changeWaits(change: number, open: readonly number[]): void {
    this.log.write(
      'change-waits',
      { change, open },
      `${this.name}: partitions ${open.join(', ')} are not drained yet; handlers run there, or they have no ` +
        'owner. npx aggregate-transport repartition tells which; with --cancel it calls the change off',
    );
  }

  layoutFollowed(partitions: number, layout: number): void {
    this.log.write(
      'layout-followed',
      { partitions, layout },
      `${this.name}: has ${partitions} partitions from now on (layout ${layout})`,
    );
  }

  deleted(why: string, remedy: string): void {
    const text = `${this.name}: ${why}; nothing starts here any more: ${remedy}`;
    this.log.write('group-deleted', { why, remedy }, text);
  }

  oldConsumers(found: readonly string[]): void {
    const names = `${found.slice(0, 3).join(', ')}${found.length > 3 ? ', …' : ''}`;
    this.log.write(
      'old-consumers-found',
      { count: found.length },
      `${this.name}: found durable consumers ${names} of a release ` +
        'with acks; a replica of that release handles every event a second time: stop it, and delete them',
    );
  }
}
