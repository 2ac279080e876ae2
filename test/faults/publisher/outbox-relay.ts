import type { AggregatePublisher, PublishResult } from 'nestjs-aggregate-transport';
import type { OutboxTable, Row } from './outbox-table.js';

const TRY_AGAIN_AFTER_MS = 200;

/**
 * Publishes the rows of an outbox, driven by `results$`. A row is marked only when the stream has confirmed it. When
 * one fails, those after it of its aggregate fail, too. Once all have their outcome, the aggregate is published again
 * from its first row that is not marked.
 */
export class OutboxRelay {
  readonly #open = new Map<string, number>();
  readonly #failed = new Set<string>();
  readonly #marked = new Set<string>();
  readonly #rows = new Map<string, Row[]>();

  constructor(
    private readonly publisher: AggregatePublisher,
    private readonly table: OutboxTable,
    private readonly done: () => void,
  ) {
    publisher.results$.subscribe((result) => this.#settled(result));
  }

  start(): void {
    for (const row of this.table.unpublished()) {
      const rows = this.#rows.get(row.aggregateId);
      if (rows === undefined) this.#rows.set(row.aggregateId, [row]);
      else rows.push(row);
    }
    for (const aggregateId of this.#rows.keys()) this.#publish(aggregateId);
    this.#endIfDone();
  }

  #publish(aggregateId: string): void {
    this.#failed.delete(aggregateId);
    const rows = (this.#rows.get(aggregateId) ?? []).filter(({ id }) => !this.#marked.has(id));
    this.#rows.set(aggregateId, rows);
    this.#open.set(aggregateId, rows.length);
    for (const { id, n } of rows) {
      const event = { aggregateId, type: 'Counted', eventId: id, payload: { n } };
      // Its outcome comes through results$.
      this.publisher.publish(event).catch(() => undefined);
    }
  }

  #settled(result: PublishResult): void {
    const { aggregateId, eventId = '' } = result.event;
    if (result.outcome === 'stored') {
      this.table.mark(eventId, result.receipt.sequence);
      this.#marked.add(eventId);
    } else {
      this.#failed.add(aggregateId);
    }
    const open = (this.#open.get(aggregateId) ?? 0) - 1;
    this.#open.set(aggregateId, open);
    if (open > 0) return;
    if (this.#failed.has(aggregateId)) setTimeout(() => this.#publish(aggregateId), TRY_AGAIN_AFTER_MS);
    else this.#endIfDone();
  }

  #endIfDone(): void {
    const isDone = [...this.#open].every(
      ([aggregateId, open]) => open === 0 && !this.#failed.has(aggregateId),
    );
    if (isDone) this.done();
  }
}
