import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { type AggregatePublisher, ParkedAggregates } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { slotOfToken, type StoredEvent } from '../oracle/stored.js';
import { checkParking } from './check-parking.js';
import { Crew } from './crew.js';
import { LetterTap } from './letter-tap.js';
import { type HandlerRun, type ParkingHistory, readJournals } from './parking-history.js';
import { PARKING_GROUP, type Plan, WORKERS, type WorkerSetup } from './setup.js';
import { whenRead } from './when-read.js';

export interface ParkingWorldOptions {
  readonly server: { readonly url: string; readonly port: number };
  readonly topic: string;
  readonly workers?: Partial<WorkerSetup>;
  /** False for large loads: positions are not judged then. */
  readonly tapPositions?: boolean;
}

interface Parts {
  readonly topic: string;
  readonly folder: string;
  readonly crew: Crew;
  readonly tap: LetterTap;
  readonly app: INestApplication;
}

const SABOTAGED_WITHIN_MS = 4_000;

/** The replicas of one service, the operator of its parked aggregates, who publishes too, and the tap. */
export class ParkingWorld {
  readonly #numbers = new Map<string, number>();
  readonly #stored: StoredEvent[] = [];
  readonly #dropped = new Set<number>();
  mayHaveStrangers = false;

  private constructor(private readonly parts: Parts) {}

  static async open({
    server,
    topic,
    workers,
    tapPositions = true,
  }: ParkingWorldOptions): Promise<ParkingWorld> {
    const folder = mkdtempSync(join(tmpdir(), `parking-${topic}-`));
    const setup = { ...WORKERS, ...workers, topic };
    const app = await startApp({
      options: {
        servers: server.url,
        group: PARKING_GROUP,
        topics: { [topic]: { parked: { maxLetters: setup.maxLetters } } },
      },
      publishers: [topic],
    });
    const tap = await LetterTap.open(server.url, topic, tapPositions);
    return new ParkingWorld({ topic, folder, crew: new Crew(folder, server.port, setup), tap, app });
  }

  get topic(): string {
    return this.parts.topic;
  }

  get folder(): string {
    return this.parts.folder;
  }

  get crew(): Crew {
    return this.parts.crew;
  }

  get tap(): LetterTap {
    return this.parts.tap;
  }

  get operator(): ParkedAggregates {
    return this.parts.app.get(ParkedAggregates);
  }

  get publisher(): AggregatePublisher {
    return publisherOf(this.parts.app, this.topic);
  }

  /** Events whose publish has resolved. */
  get published(): number {
    return this.#stored.length;
  }

  /** Publishes the key's next event. */
  async publish(key: string, plan: Omit<Plan, 'n'> = {}): Promise<number> {
    const n = (this.#numbers.get(key) ?? 0) + 1;
    this.#numbers.set(key, n);
    const { sequence } = await this.publisher.publish({
      aggregateId: key,
      type: 'Counted',
      payload: { n, ...plan },
    });
    this.#stored.push({ key, n, seq: sequence, slot: slotOfToken(key) });
    return sequence;
  }

  /** From now on the operator has this event dropped. */
  drops(sequence: number): void {
    this.#dropped.add(sequence);
  }

  runs(): HandlerRun[] {
    return readJournals(this.folder).runs;
  }

  logs(): string[] {
    return readJournals(this.folder).logs.map(({ text }) => text);
  }

  handled(): Set<string> {
    return new Set(this.runs().flatMap(({ key, n, ok }) => (ok === true ? [`${key} ${n}`] : [])));
  }

  /** Events that no handler has come to the end of. */
  missing(): string[] {
    const handled = this.handled();
    return this.#stored.flatMap(({ key, n, seq }) =>
      handled.has(`${key} ${n}`) || this.#dropped.has(seq) ? [] : [`${key} ${n}`],
    );
  }

  /** Tokens that have a marker or a letter now. */
  parkedTokens(): Promise<string[]> {
    return this.tap.parkedTokens();
  }

  async parkedState(key: string): Promise<{ letters: number; state: string } | undefined> {
    const found = await this.operator.list({ topic: this.topic });
    return found.find(({ aggregateId }) => aggregateId === key);
  }

  /** Retries until the aggregate is live; its owner may die meanwhile. */
  async retryUntilLive(aggregateId: string, withinMs = 60_000): Promise<void> {
    await eventually(
      `${aggregateId} to be live again`,
      async () => {
        try {
          const { outcome } = await this.operator.retry(
            { topic: this.topic, aggregateId },
            { waitMs: 2_000 },
          );
          return outcome === 'unparked';
        } catch (error) {
          const { code } = error as { code?: string };
          if (code === 'NOT_PARKED') return true;
          if (code === 'COMMAND_UNANSWERED' || code === 'JETSTREAM_REQUEST_FAILED') return false;
          throw error;
        }
      },
      withinMs,
    );
  }

  /**
   * Retries until the aggregate is live, publishes once more, and waits until all is handled. A sabotaged owner may
   * never come there: then the checkers have to say so.
   */
  async comesBack(aggregateId: string, isSabotaged: boolean): Promise<void> {
    try {
      await this.retryUntilLive(aggregateId, isSabotaged ? SABOTAGED_WITHIN_MS : undefined);
      await this.publish(aggregateId);
      await this.whenAllHandled(isSabotaged ? SABOTAGED_WITHIN_MS : undefined);
    } catch (error) {
      if (!isSabotaged) throw error;
    }
  }

  async whenAllHandled(withinMs = 60_000): Promise<void> {
    try {
      await whenRead('every event to be handled', () => this.missing().length === 0, withinMs);
    } catch (error) {
      throw new Error(`missing: ${this.missing().slice(0, 20).join(', ')} in ${this.folder}`, {
        cause: error,
      });
    }
  }

  async history(): Promise<ParkingHistory> {
    const { letters, skipped, removed, markers, positions } = this.tap;
    return {
      stored: [...this.#stored].sort((a, b) => a.seq - b.seq),
      runs: this.runs(),
      letters,
      skipped,
      removed,
      markers,
      positions,
      dropped: this.#dropped,
      left: await this.tap.left(),
      mayHaveStrangers: this.mayHaveStrangers,
    };
  }

  /** The promises that were broken; the folder is kept if there are any. */
  async judge(): Promise<string[]> {
    const history = await this.history();
    const findings = checkParking(history);
    if (findings.length > 0) {
      const all = { findings, ...history, dropped: [...this.#dropped] };
      writeFileSync(join(this.folder, 'findings.json'), JSON.stringify(all, undefined, 1));
    }
    return findings;
  }

  async close(): Promise<void> {
    await this.crew.close();
    await this.tap.close();
    await this.parts.app.close();
  }

  /** Removes the journals. */
  forget(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
