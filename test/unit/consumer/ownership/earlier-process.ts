import { Deadline } from '#library/consumer/ownership/deadline.js';
import { LEASE_MARGIN_MS } from '#library/consumer/ownership/session.js';
import type { StoredValue } from '#library/records/key-port.js';
import type { LeaseRecord } from '#library/records/lease-record.js';
import type { WalkHost } from './walk-host.js';
import type { WalkProcessOptions, WalkReplica } from './walk-process.js';

const RENEWALS_PER_TTL = 5;
const READS_PER_TTL = 10;
const RENEW_AGAIN_MS = 50;

/**
 * A process of a release without sessions, as far as the lease goes. Its owner renews it. A contender takes it when it
 * has stood still for the ttl in it and a margin. It also takes one that was released or never written.
 */
export class EarlierProcess implements WalkReplica {
  readonly name: string;
  readonly host: WalkHost;
  #mode: 'seeking' | 'standby' | 'held' = 'standby';
  #epoch = 0;
  #revision = 0;
  #beat = 0;
  #isFailing = false;
  #notBefore = 0;
  #seen: { readonly value: LeaseRecord | undefined; readonly since: number } | undefined;
  #stale: StoredValue<LeaseRecord> | undefined;
  readonly #deadline: Deadline;

  constructor(private readonly options: WalkProcessOptions) {
    const { name, host, key } = options;
    this.name = name;
    this.host = host;
    this.#deadline = new Deadline(host, () => this.#loseIfOver());
    key.onHint((value) => host.hear(() => this.#heard(value)));
    this.#next(0);
  }

  get epoch(): number {
    return this.#epoch;
  }

  get isOwner(): boolean {
    return !this.host.isDead && this.#isValid();
  }

  seek(): void {
    if (this.#mode === 'standby') this.#mode = 'seeking';
  }

  standBy(): void {
    if (this.#mode === 'seeking') this.#mode = 'standby';
  }

  giveUp(): void {
    this.#notBefore = this.host.now() + 2 * this.options.ttlMs + 4 * LEASE_MARGIN_MS;
    this.#lose();
  }

  startOver(): void {
    this.#lose();
  }

  handOver(): void {
    if (!this.#isValid()) return;
    const record = { ...this.#record(this.#epoch), released: true };
    const revision = this.#revision;
    this.#lose();
    this.#mode = 'standby';
    void this.host.send(() => this.options.key.write(record, revision)).catch(() => undefined);
  }

  async readStale(isStale: boolean): Promise<void> {
    this.host.isDeaf = isStale;
    this.#stale = isStale ? await this.options.key.read() : undefined;
  }

  #isValid(): boolean {
    return this.#mode === 'held' && this.#deadline.remainingMs() > 0;
  }

  #record(epoch: number): LeaseRecord {
    return { owner: this.name, ttlMs: this.options.ttlMs, epoch, beat: ++this.#beat };
  }

  #next(delayMs: number): void {
    this.host.after(delayMs, () => {
      void this.#step()
        .then(() => (this.#isFailing = false))
        .catch(() => (this.#isFailing = true))
        .finally(() => {
          this.#loseIfOver();
          this.#next(this.#pauseMs());
        });
    });
  }

  #pauseMs(): number {
    const { ttlMs } = this.options;
    if (this.#mode !== 'held') return ttlMs / READS_PER_TTL;
    return this.#isFailing ? RENEW_AGAIN_MS : ttlMs / RENEWALS_PER_TTL;
  }

  async #step(): Promise<void> {
    if (this.#mode === 'held') await this.#renew();
    else await this.#seek();
  }

  async #renew(): Promise<void> {
    if (!this.#isValid()) return;
    if (await this.#write(this.#record(this.#epoch), this.#revision)) return;
    const { value, revision } = await this.#read();
    if (this.#mode !== 'held') return;
    if (value !== undefined && (value.owner !== this.name || value.epoch !== this.#epoch)) this.#lose();
    else {
      this.#revision = revision;
      await this.#write(this.#record(this.#epoch), revision);
    }
  }

  async #seek(): Promise<void> {
    const found = await this.#read();
    const { value, revision } = found;
    if (this.#mode === 'held') return;
    const seen = this.#seen;
    const since = seen !== undefined && isSameWrite(seen.value, value) ? seen.since : this.host.now();
    this.#seen = { value, since };
    const standsMs = this.#mode === 'seeking' ? 0 : this.options.ttlMs;
    const isOwn = this.#mode === 'seeking' && value?.owner === this.name;
    const now = this.host.now();
    if (now >= this.#notBefore && (isOwn || now >= this.#freeAt(found, since) + standsMs))
      await this.#take(value, revision);
  }

  #freeAt({ value, revision }: StoredValue<LeaseRecord>, since: number): number {
    if (value?.released === true) return since;
    if (value !== undefined) return since + value.ttlMs + LEASE_MARGIN_MS;
    return revision > 0 ? since + this.options.ttlMs + LEASE_MARGIN_MS : since;
  }

  async #take(value: LeaseRecord | undefined, expected: number): Promise<void> {
    const record = this.#record((value?.epoch ?? 0) + 1);
    if (!(await this.#write(record, expected))) return;
    this.#mode = 'held';
    this.#epoch = record.epoch;
    this.options.acquired(record.epoch);
  }

  /** The deadline counts from before the request. */
  async #write(record: LeaseRecord, expected: number): Promise<boolean> {
    const moment = this.#deadline.moment();
    const revision = await this.host.send(() => this.options.key.write(record, expected));
    if (revision === undefined) return false;
    if (this.#mode !== 'held' || this.#isValid()) {
      this.#revision = revision;
      this.#deadline.extend(moment, this.options.ttlMs - LEASE_MARGIN_MS);
    }
    return true;
  }

  #read(): Promise<StoredValue<LeaseRecord>> {
    return this.host.send(() =>
      this.#stale === undefined ? this.options.key.read() : Promise.resolve(this.#stale),
    );
  }

  #heard(value: LeaseRecord | undefined): void {
    if (this.#mode === 'held' || value === undefined) return;
    const { value: known } = this.#seen ?? {};
    const isNewer =
      known === undefined || known.epoch !== value.epoch
        ? value.epoch > (known?.epoch ?? 0)
        : (value.beat ?? 0) > (known.beat ?? 0);
    if (isNewer) this.#seen = { value, since: this.host.now() };
  }

  #loseIfOver(): void {
    if (this.#mode === 'held' && !this.#isValid()) this.#lose();
  }

  #lose(): void {
    if (this.#mode !== 'held') return;
    this.#mode = 'seeking';
    this.#deadline.cancel();
    this.#seen = undefined;
  }
}

function isSameWrite(a: LeaseRecord | undefined, b: LeaseRecord | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.owner === b.owner && a.epoch === b.epoch && a.beat === b.beat && a.released === b.released;
}
