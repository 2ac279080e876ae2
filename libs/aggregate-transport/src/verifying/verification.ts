import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as scheduled } from 'node:timers/promises';
import type { RunHistory } from '../judging/run-history.js';
import { Crew, type CrewOptions } from './crew.js';
import { type FaultKind, kindsOn, LEASE_TTL_MS } from './fault-kinds.js';
import { Nemesis } from './nemesis.js';
import { Pulse } from './pulse.js';
import { readHistory, type RecordedHistory } from './recorded-history.js';
import { Retries } from './retries.js';
import type { VerifySettings } from './settings.js';
import type { VerifiedServer } from './verified-server.js';

export interface VerificationOptions extends Omit<CrewOptions, 'folder' | 'released'> {
  readonly server: VerifiedServer;
  readonly say: (text: string) => void;
  /** Ends the run: its processes are killed. */
  readonly signal: AbortSignal;
}

/** What a run has seen. */
export interface VerificationRun {
  readonly settings: VerifySettings;
  readonly history: RecordedHistory;
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly skipped: readonly FaultKind[];
  readonly parked: number;
  readonly replayed: number;
  readonly retriedTooEarly: number;
  /** False if publishers could not get rid of their events in time. */
  readonly isPublished: boolean;
  /** Of the journals. */
  readonly folder: string;
}

/** A process of this run could not work at all. */
export class ProcessFailure extends Error {
  override readonly name = 'ProcessFailure';

  constructor(
    message: string,
    /** What the user gave it is wrong. */
    readonly isUsage: boolean,
  ) {
    super(message);
  }
}

const READY_WITHIN_MS = 60_000;
const PUBLISHED_WITHIN_MS = 45_000;
/** Two retries that are not heard, each found by the next look of its owner. */
const REST_WITHIN_MS = 120_000;
const LOOK_EVERY_MS = 100;
const SAY_EVERY_MS = 10_000;

/**
 * One run against a user's server: publishers and replicas of its own, faults, rest, and the history of it all. What it
 * needs on the server must exist, and stays. Nothing of it runs when it has ended, however it has.
 */
export class Verification {
  /** Where its journals are. Removed by {@link forget}. */
  readonly folder = mkdtempSync(join(tmpdir(), 'aggregate-verify-'));

  constructor(private readonly options: VerificationOptions) {}

  /** @throws ProcessFailure; what aborted the signal */
  async run(): Promise<VerificationRun> {
    const { folder, options } = this;
    const released = join(folder, 'released');
    mkdirSync(released);
    const crew = await Crew.open({ ...options, folder, released });
    let isOrderly = false;
    try {
      const run = await this.#live(crew, released);
      isOrderly = true;
      return run;
    } finally {
      await crew.close(isOrderly);
    }
  }

  forget(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #live(crew: Crew, released: string): Promise<VerificationRun> {
    const { settings, server, say } = this.options;
    const { kinds, skipped } = kindsOn(process.platform);
    await this.#ready(crew);
    say(
      `${crew.replicas.length} replicas and ${crew.publishers.length} publishers run; seed ${settings.seed}`,
    );
    const pulse = new Pulse(server.ping);
    const retries = new Retries(server, released);
    const { owners, replicas, publishers } = crew;
    const { seed, partitions } = settings;
    const nemesis = new Nemesis({ seed, partitions, kinds, replicas, publishers, owners });
    const background = Promise.all([pulse.run(), retries.run()]);
    const telling = setInterval(
      () => say(`${crew.stored} events stored, ${nemesis.total} faults, ${retries.parked} parked`),
      SAY_EVERY_MS,
    );
    let rest: RunHistory['rest'];
    let isPublished: boolean;
    try {
      crew.begin();
      await this.#race(nemesis.run(settings.seconds * 1_000));
      requireWorking(crew);
      say(`${nemesis.total} faults are over; waiting until everything is settled`);
      retries.hasten();
      isPublished = await this.#within(PUBLISHED_WITHIN_MS, () => Promise.resolve(crew.isPublished));
      rest = await this.#restOf();
    } finally {
      clearInterval(telling);
      pulse.end();
      retries.end();
    }
    await this.#race(background);
    const stored = await this.#race(server.stored());
    // An orderly end writes its last lines.
    await crew.close(true);
    const history = readHistory({
      ...{ stored, rest, leaseTtlMs: LEASE_TTL_MS },
      replicas: replicas.flatMap(({ lives }) => lives),
      publishers: publishers.flatMap(({ lives }) => lives),
      disturbances: [...nemesis.disturbances, ...pulse.disturbances],
    });
    const { parked, replayed, refused: retriedTooEarly } = retries;
    const counts = { parked, replayed, retriedTooEarly };
    const { counts: faults } = nemesis;
    return { settings, history, faults, skipped, ...counts, isPublished, folder: this.folder };
  }

  async #ready(crew: Crew): Promise<void> {
    const late = scheduled(READY_WITHIN_MS, 'late' as const, { ref: false });
    const outcome = await this.#race(Promise.race([crew.start(), late]));
    requireWorking(crew);
    const ended = crew.slots.find(({ isRunning }) => !isRunning);
    if (outcome === undefined && ended === undefined) return;
    const found =
      ended === undefined
        ? `${READY_WITHIN_MS} ms without an answer`
        : `it ended (${ended.life?.how ?? 'at once'})`;
    throw new ProcessFailure(
      `expected ${ended?.life?.name ?? 'every process'} to be ready, found ${found}; see ${this.folder}`,
      false,
    );
  }

  /** What is left when everything is settled, or when the time is over. */
  async #restOf(): Promise<RunHistory['rest']> {
    let rest: RunHistory['rest'] = { unsettled: 0, parked: 0 };
    await this.#within(REST_WITHIN_MS, async () => {
      rest = await this.options.server.rest();
      return rest.unsettled + rest.parked === 0;
    });
    return rest;
  }

  async #within(ms: number, isDone: () => Promise<boolean>): Promise<boolean> {
    const until = performance.now() + ms;
    while (performance.now() < until) {
      // The server may be out of reach for a moment.
      if (await this.#race(isDone().catch(() => false))) return true;
      await scheduled(LOOK_EVERY_MS);
    }
    return false;
  }

  async #race<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.options;
    work.catch(() => undefined);
    signal.throwIfAborted();
    let abort = (): void => undefined;
    const aborted = new Promise<never>((_, reject) => {
      abort = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', abort);
    });
    try {
      return await Promise.race([work, aborted]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
}

/** @throws ProcessFailure */
function requireWorking({ failure }: Crew): void {
  if (failure !== undefined) throw new ProcessFailure(failure.error, failure.isUsage);
}
