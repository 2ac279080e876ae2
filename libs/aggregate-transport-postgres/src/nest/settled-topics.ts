import { type AggregateTransportStatus, type ParkedAggregates, positionOf } from 'nestjs-aggregate-transport';
import { AggregatePostgresError } from '../errors.js';
import type { SettledTopics } from '../inbox/inbox.js';

/** Aggregates asked for at once. */
const PAGE = 1_000;

/** Asks the transport how far a group has come: positions and letters. */
export class TransportSettled implements SettledTopics {
  constructor(
    private readonly status: AggregateTransportStatus,
    private readonly parked: ParkedAggregates,
  ) {}

  async through(topic: string, group?: string): Promise<{ group: string; position: bigint } | undefined> {
    const { topics } = await this.status.snapshot({ slowest: 0 });
    const groups = topics.find((one) => one.topic === topic)?.groups ?? [];
    const found = groups.filter((one) => group === undefined || one.group === group);
    const [only] = found;
    if (only === undefined || found.length > 1) throw unknown(topic, group, found.length);
    const places = only.partitions.map(({ settledThrough }) => settledThrough);
    const known = places.filter((place) => place !== undefined);
    if (known.length < places.length || known.length === 0) return undefined;
    const lowest = known.map(positionOf).reduce((one, other) => (one < other ? one : other));
    const firstLetter = await this.#firstLetter(topic, only.group);
    if (firstLetter === undefined) return { group: only.group, position: lowest };
    // A letter keeps the run it was filed in, which a list of aggregates does not tell: the first one is the lowest.
    const below = positionOf({ run: 0, sequence: firstLetter - 1 });
    return { group: only.group, position: below < lowest ? below : lowest };
  }

  async #firstLetter(topic: string, group: string): Promise<number | undefined> {
    let first: number | undefined;
    for (let after = ''; ;) {
      const page = await this.parked.list({ topic, group }, { limit: PAGE, after });
      for (const { sequence } of page) first = Math.min(first ?? sequence, sequence);
      if (page.length < PAGE) return first;
      after = page.at(-1)?.aggregateId ?? after;
    }
  }
}

function unknown(topic: string, group: string | undefined, found: number): AggregatePostgresError {
  const wanted = group === undefined ? 'one group' : `group "${group}"`;
  return new AggregatePostgresError(
    'INBOX_GROUP_UNKNOWN',
    `expected handlers of ${wanted} on topic "${topic}" in this service, found ${found} groups; prune where they are, ` +
      'and name the group if there are several',
  );
}
