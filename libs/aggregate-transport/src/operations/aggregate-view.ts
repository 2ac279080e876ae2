import type { StoredMessage } from '../message/stored-event.js';
import { tokenOf } from '../message/subject.js';
import { type AggregateStand, standsOf } from '../operating/aggregates/aggregate-places.js';
import type { ParkedCommands } from '../operating/commands/operator-commands.js';
import type { TopicPorts } from '../operating/server/server-ports.js';
import type { Letter } from '../records/letter.js';
import { bounded } from './bounds.js';
import type { LiveAggregateView } from './live.js';
import type { AggregateOptions, AggregateView } from './timeline.js';
import { type GroupHistory, timelineOf } from './timeline-entries.js';

const LIMIT = { otherwise: 500, least: 1, most: 10_000 };

export interface AggregateQuestion {
  readonly aggregateId: string;
  readonly options: AggregateOptions;
  readonly commandsOf: (group: string) => ParkedCommands;
  readonly ask: (group: string) => Promise<LiveAggregateView>;
}

/**
 * All that the server and the owners know of one aggregate.
 * @throws AGGREGATE_ID_INVALID, OPTIONS_INVALID, JETSTREAM_REQUEST_FAILED, RECORD_INVALID
 */
export async function viewAggregate(
  ports: TopicPorts,
  { aggregateId, options, commandsOf, ask }: AggregateQuestion,
): Promise<AggregateView> {
  const { group, payloads = false, live: asksOwners = true } = options;
  const limit = bounded('limit', options.limit, LIMIT);
  const token = tokenOf(aggregateId);
  const { newest, sequences } = await historyOf(ports, token, limit);
  const stands = await standsOf(ports.aggregates, token, { sequences, group });
  const histories = await Promise.all(
    stands.map((stand) => groupHistoryOf(stand, commandsOf(stand.place.group), aggregateId)),
  );
  const live = asksOwners ? await Promise.all(stands.map(({ place }) => ask(place.group))) : [];
  return {
    topic: ports.topic,
    aggregateId,
    timeline: timelineOf({ stored: newest, histories, live, payloads }),
    left: sequences.length - newest.length,
    places: stands.map(({ place }) => place),
    live,
  };
}

/** The newest events, and the sequences of all. A topic without a stream holds none. */
async function historyOf(
  ports: TopicPorts,
  token: string,
  limit: number,
): Promise<{ readonly newest: readonly StoredMessage[]; readonly sequences: readonly number[] }> {
  const newest: StoredMessage[] = [];
  const sequences: number[] = [];
  if ((await ports.lastSequenceOf(token)) === undefined) return { newest, sequences };
  for await (const message of ports.aggregates.history(token, 1)) {
    sequences.push(message.sequence);
    newest.push(message);
    // Cut now and then: taking off the first one each time would move all others.
    if (newest.length >= 2 * limit) newest.splice(0, newest.length - limit);
  }
  return { newest: newest.slice(-limit), sequences };
}

async function groupHistoryOf(
  { place, waiting }: AggregateStand,
  commands: ParkedCommands,
  aggregateId: string,
): Promise<GroupHistory> {
  const { group, parked } = place;
  const hasLetters = place.letters > 0;
  const [letters, skipped, edits] = await Promise.all([
    hasLetters && parked !== undefined ? collected(commands.letters(aggregateId)) : [],
    hasLetters ? collected(commands.skipped(aggregateId)) : [],
    hasLetters ? collected(commands.edits(aggregateId)) : [],
  ]);
  return { group, parked, waiting: new Set(waiting), letters, skipped, edits };
}

/** An aggregate with more letters is shown without the later ones; the list of letters has all, page by page. */
const MAX_LETTERS = 1_000;

async function collected(letters: AsyncIterable<Letter>): Promise<Letter[]> {
  const found: Letter[] = [];
  for await (const letter of letters) {
    found.push(letter);
    if (found.length >= MAX_LETTERS) break;
  }
  return found;
}
