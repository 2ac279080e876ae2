import type { SeenEvent } from '../records/member-record.js';

/**
 * The last event of the topic's stream that any replica of the group is known to have taken in. A stream that ends
 * before it was restored to an earlier time, although the restored records say nothing of it. Replicas tell each other,
 * because the next owner may be one that has not handled the lost events.
 */
export class SeenEvents {
  #latest: SeenEvent | undefined;

  get latest(): SeenEvent | undefined {
    return this.#latest;
  }

  /** In another stream sequences begin again, so the event of the stream that was made later counts. */
  note(event: SeenEvent): void {
    const known = this.#latest;
    if (event.sequence === 0 || event.created === '') return;
    const isLater =
      known === undefined ||
      event.created > known.created ||
      (event.created === known.created && event.sequence > known.sequence);
    if (isLater) this.#latest = event;
  }
}
