import type { Clock } from '../../clock.js';
import { inParallel, REQUESTS_AT_ONCE } from '../../in-parallel.js';
import type { MemberRecord } from '../../records/member-record.js';
import type { GroupPorts } from './group-ports.js';

/** A replica counts its time short by this much, an observer counts it long: clocks run at different speeds. */
const MARGIN_MS = 500;

interface Found {
  readonly member: string;
  readonly value: MemberRecord | undefined;
  readonly revision: number;
}

/** The replicas of a group whose sessions are renewed, as this process sees on its own clock. */
export class LivingReplicas {
  readonly #seen = new Map<string, { readonly revision: number; readonly at: number }>();

  constructor(
    private readonly sessions: GroupPorts['sessions'],
    private readonly clock: Clock,
  ) {}

  /**
   * Those that were renewed within their ttl, or were not watched for so long yet.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async names(): Promise<readonly string[]> {
    const now = this.clock.now();
    const found = await this.#read();
    return found.filter((one) => this.#isLiving(one, now)).map(({ member }) => member);
  }

  /** Removes the records there are, unless they are renewed meanwhile. */
  async removeAll(): Promise<void> {
    await inParallel(await this.#read(), REQUESTS_AT_ONCE, ({ member, revision }) =>
      this.sessions.remove(member, revision),
    );
  }

  async #read(): Promise<Found[]> {
    const members = await this.sessions.list();
    return inParallel(members, REQUESTS_AT_ONCE, async (member) => ({
      member,
      ...(await this.sessions.read(member)),
    }));
  }

  #isLiving({ member, value, revision }: Found, now: number): boolean {
    if (value === undefined || value.ended === true) return false;
    const seen = this.#seen.get(member);
    if (seen?.revision !== revision) {
      this.#seen.set(member, { revision, at: now });
      return true;
    }
    return now - seen.at <= value.ttlMs + MARGIN_MS;
  }
}
