import { Presence } from '#library/consumer/ownership/presence.js';
import { Session } from '#library/consumer/ownership/session.js';
import { SeenEvents } from '#library/consumer/seen-events.js';
import type { Clock } from '#library/clock.js';
import { type Log, silentLog } from '#library/log.js';
import type { HandledTypes, MemberRecord, PresencePort } from '#library/records/member-record.js';
import type { MemoryPresence } from '#library/testing/memory/memory-presence.js';

export interface ReplicaOptions {
  readonly member: string;
  readonly ttlMs: number;
  readonly firstBeat?: number;
  readonly clock: Clock;
  readonly records: MemoryPresence;
  readonly handles?: HandledTypes;
  readonly log?: Log;
}

/** A process as a replica of a group: its session, and what it knows of the others'. */
export class TestReplica {
  readonly session: Session;
  readonly others: Presence;
  /** Its requests fail, and it hears nothing: it is cut off, frozen or dead. */
  isCut = false;
  /** Its requests fail, but it hears the others. */
  failure: Error | undefined;
  /** It may not list the records of others. */
  cannotList = false;
  /** The next write is stored, and its answer is lost. */
  loseAnswer = false;
  reads = 0;
  #held: Promise<void> | undefined;
  writes = 0;

  constructor({ member, ttlMs, firstBeat = 0, clock, records, handles, log = silentLog }: ReplicaOptions) {
    const shared = {
      ...{ name: member, clock, log, port: this.#port(records.connect()) },
      ...{ seen: new SeenEvents(), handles: handles ?? { types: [], others: true } },
    };
    this.session = new Session({ ...shared, member, ttlMs, firstBeat });
    this.others = new Presence({ ...shared, session: this.session });
  }

  start(): this {
    this.session.start();
    this.others.start();
    return this;
  }

  /** As {@link ReplicaGroup.close}, for a replica that holds nothing. */
  async close(withinMs: number, isAtRest = true): Promise<void> {
    this.session.leaveGroup();
    await this.session.end(isAtRest, withinMs);
    this.others.close();
  }

  /** The next write is stored, and answered when the test says so. */
  holdAnswer(): () => void {
    let answer: () => void = () => undefined;
    this.#held = new Promise((resolve) => {
      answer = resolve;
    });
    return answer;
  }

  async #announce(inner: PresencePort, record: MemberRecord, revision: number): Promise<number | undefined> {
    const held = this.#held;
    this.#held = undefined;
    const isLost = this.loseAnswer;
    this.loseAnswer = false;
    const written = await inner.announce(record, revision);
    await held;
    if (isLost) throw new Error('no answer');
    return written;
  }

  #port(inner: PresencePort): PresencePort {
    const guard = <T>(what: () => Promise<T>): Promise<T> => {
      if (this.isCut) return Promise.reject(new Error('away'));
      return this.failure === undefined ? what() : Promise.reject(this.failure);
    };
    return {
      announce: (record, revision) => {
        this.writes++;
        return guard(() => this.#announce(inner, record, revision));
      },
      list: () => guard(() => (this.cannotList ? Promise.reject(new Error('denied')) : inner.list())),
      read: (member) => {
        this.reads++;
        return guard(() => inner.read(member));
      },
      remove: (member, revision) => guard(() => inner.remove(member, revision)),
      onHint: (callback) => inner.onHint((record) => !this.isCut && callback(record)),
      close: () => inner.close(),
    };
  }
}
