import type { AggregatePublisher } from 'nestjs-aggregate-transport';

// #region bridge
/** An event of the old transport. `place` names it there for ever: it is the same however often the event is read. */
export interface OldEvent {
  readonly place: string;
  readonly aggregateId: string;
  readonly type: string;
  readonly payload: unknown;
}

/** What was read together, in the old order; `settle` writes down that all of it is in the new topic. */
export interface OldBatch {
  readonly events: readonly OldEvent[];
  readonly settle: () => Promise<unknown>;
}

/**
 * Copies the old transport into a topic, in order. It ends with the first failure: start it again, it continues after
 * the last batch that was settled. Run one at a time, and let no one else publish to the topic meanwhile.
 */
export async function bridge(publisher: AggregatePublisher, batches: AsyncIterable<OldBatch>): Promise<void> {
  let mayBeRepeat = true;
  for await (const { events, settle } of batches) {
    // The run before may have stored some of the first batch, and ended before it wrote that down.
    const known = mayBeRepeat ? await placesOf(publisher, events) : new Set<string>();
    mayBeRepeat = false;
    const fresh = events.filter(({ place }) => !known.has(place));
    await publisher.publishAll(fresh.map(({ place, ...event }) => ({ ...event, eventId: place })));
    await settle();
  }
}

/** The places whose events the topic holds already. */
async function placesOf(publisher: AggregatePublisher, events: readonly OldEvent[]): Promise<Set<string>> {
  const places = new Set<string>();
  for (const id of new Set(events.map(({ aggregateId }) => aggregateId)))
    for await (const { eventId } of publisher.read(id)) places.add(eventId);
  return places;
}
// #endregion
