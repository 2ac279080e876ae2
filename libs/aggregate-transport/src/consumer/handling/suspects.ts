import { isSabotaged } from '#sabotage';
import type { Clock } from '../../clock.js';
import { describeError } from '../../errors.js';
import type { Log } from '../../log.js';
import type { KeyPort } from '../../records/key-port.js';

/** How often each sequence was started by an owner that never came to its end. */
export type SuspectRecord = Readonly<Record<string, number>>;

export interface SuspectsOptions {
  readonly name: string;
  readonly port: KeyPort<SuspectRecord>;
  /** An event started this often without an end has killed as many processes: it is not started again. */
  readonly maxStarts: number;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Finds the event that kills every process that handles it. The server's delivery count cannot: takeovers
 * raise it for events that never started.
 *
 * When a lease comes from an owner that did not let it go, the events delivered before are under suspicion:
 * 1. the start of each is written down, confirmed, before its handler runs, and struck out when an attempt has
 *    ended in any way: whatever ends has not killed the process;
 * 2. if the process dies meanwhile, its successor finds the entries, and runs those events alone, one after the
 *    other, so that the next death has one culprit;
 * 3. one that was started `maxStarts` times without an end is not started again.
 */
export class Suspects {
  #crashed = false;
  #loaded = false;
  #through = 0;
  #revision = 0;
  /** Starts by earlier owners that had no end. */
  #starts = new Map<number, number>();
  /** Events started by this process under suspicion, and not ended yet. */
  readonly #own = new Set<number>();
  readonly #cleared = new Set<number>();
  /** A write that will take in whatever is noted before it begins. */
  #nextWrite: Promise<boolean> | undefined;
  #lastWrite: Promise<unknown> = Promise.resolve();
  #failing = false;

  constructor(private readonly options: SuspectsOptions) {}

  /** A new lease; `crashed` if its last owner did not let it go in peace. */
  inherit(crashed: boolean): void {
    this.#crashed = crashed;
    this.#loaded = false;
    this.#through = 0;
    this.#cleared.clear();
    this.#own.clear();
  }

  /**
   * Reads what earlier owners left, once per lease.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async load(): Promise<void> {
    if (this.#loaded) return;
    const found = await this.options.port.read();
    this.#revision = found?.revision ?? 0;
    this.#starts = new Map(
      Object.entries(found?.value ?? {}).map(([sequence, count]) => [Number(sequence), count]),
    );
    this.#loaded = true;
  }

  /** The first takeover under this lease: what was delivered before it is under suspicion after a crash. */
  takenOver(delivered: number): void {
    if (this.#crashed) this.#through = delivered;
    this.#crashed = false;
  }

  /** True if the start of this event must be written down first. */
  isSuspect(sequence: number): boolean {
    return (
      !isSabotaged('no-suspects') &&
      (sequence <= this.#through || this.#starts.has(sequence)) &&
      !this.#cleared.has(sequence)
    );
  }

  /** Starts by earlier owners that had no end; such an event runs alone. */
  startsOf(sequence: number): number {
    return this.#starts.get(sequence) ?? 0;
  }

  /** True if the event has killed as many processes as it may. */
  isExhausted(sequence: number): boolean {
    return this.startsOf(sequence) >= this.options.maxStarts;
  }

  /** Writes down that the event starts. Resolves with false if that failed: then it must not start. */
  noteStart(sequence: number): Promise<boolean> {
    this.#own.add(sequence);
    return this.#write();
  }

  /** An attempt at the event has ended in this process, so it is no suspect any more. */
  ended(sequence: number): void {
    if (!this.isSuspect(sequence)) return;
    this.#cleared.add(sequence);
    this.#starts.delete(sequence);
    if (this.#own.delete(sequence)) void this.#write();
  }

  /** Resolves when what has ended is struck out. */
  async settle(): Promise<void> {
    await this.#lastWrite;
  }

  close(): void {
    this.options.port.close();
  }

  /** Everything noted within one turn goes into one write; what comes while it is under way into the next. */
  #write(): Promise<boolean> {
    if (this.#nextWrite !== undefined) return this.#nextWrite;
    const write = this.#lastWrite
      .then(() => new Promise<void>((resolve) => this.options.clock.nextTurn(resolve)))
      .then(() => {
        this.#nextWrite = undefined;
        return this.#writeOnce();
      });
    this.#nextWrite = write;
    this.#lastWrite = write;
    return write;
  }

  async #writeOnce(): Promise<boolean> {
    const { port, log, name } = this.options;
    const record: Record<string, number> = Object.fromEntries(this.#starts);
    for (const sequence of this.#own) record[sequence] = this.startsOf(sequence) + 1;
    try {
      const revision = await port.write(record, this.#revision);
      if (revision !== undefined) {
        this.#revision = revision;
        this.#failing = false;
        return true;
      }
      // A write whose answer was lost moved the revision, or another owner has: the lease tells which.
      this.#revision = (await port.read())?.revision ?? 0;
      return false;
    } catch (error) {
      if (!this.#failing) {
        log.warn(`${name}: starts of suspects cannot be written down, so they wait: ${describeError(error)}`);
      }
      this.#failing = true;
      return false;
    }
  }
}
