import { hasCode } from '../errors.js';
import { inParallel } from '../in-parallel.js';
import { aggregateIdOf, tokenOf } from '../message/subject.js';
import type { ServerPorts, TopicPorts } from '../operating/server/server-ports.js';
import { bounded } from './bounds.js';
import type { FoundAggregate, SearchOptions } from './operations.js';

const LIMIT = { otherwise: 20, least: 1, most: 200 };
const AT_ONCE = 8;

/**
 * Aggregates by id: exactly this one in each topic, then parked ones whose id contains the text, in any case.
 * @throws OPTIONS_INVALID, JETSTREAM_REQUEST_FAILED
 */
export async function searchAggregates(
  server: ServerPorts,
  text: string,
  { topic, limit }: SearchOptions,
): Promise<readonly FoundAggregate[]> {
  const most = bounded('limit', limit, LIMIT);
  if (text === '') return [];
  const topics = topic === undefined ? await server.topics() : [topic];
  const found = await inParallel(topics, AT_ONCE, async (name) =>
    searchTopic(await server.topic(name), text, most),
  );
  const exact = found.flatMap((one) => one.exact ?? []);
  const others = found.flatMap((one) => one.others);
  return [...exact, ...others].slice(0, most);
}

interface FoundInTopic {
  readonly exact: FoundAggregate | undefined;
  readonly others: readonly FoundAggregate[];
}

async function searchTopic(ports: TopicPorts, text: string, most: number): Promise<FoundInTopic> {
  const { topic } = ports;
  const token = tokenIfValid(text);
  const [lastSequence, parkedIn] = await Promise.all([
    token === undefined ? undefined : ports.lastSequenceOf(token),
    groupsByParked(ports, text),
  ]);
  const isThere = lastSequence !== undefined || parkedIn.has(text);
  const exact = isThere
    ? { topic, aggregateId: text, lastSequence, parkedIn: parkedIn.get(text) ?? [] }
    : undefined;
  const ids = [...parkedIn.keys()].filter((id) => id !== text).sort();
  const others = await inParallel(ids.slice(0, most), AT_ONCE, async (aggregateId) => ({
    topic,
    aggregateId,
    lastSequence: await ports.lastSequenceOf(tokenOf(aggregateId)),
    parkedIn: parkedIn.get(aggregateId) ?? [],
  }));
  return { exact, others };
}

/** The groups in which each matching aggregate is parked. */
async function groupsByParked(ports: TopicPorts, text: string): Promise<ReadonlyMap<string, string[]>> {
  const wanted = text.toLowerCase();
  const found = new Map<string, string[]>();
  for (const group of await ports.groups.names()) {
    for (const token of await ports.parked(group).markedTokens()) {
      const id = aggregateIdOf(token);
      if (id.toLowerCase().includes(wanted)) found.set(id, [...(found.get(id) ?? []), group]);
    }
  }
  return found;
}

/** Undefined for a text that no aggregate can have as its id. */
function tokenIfValid(text: string): string | undefined {
  try {
    return tokenOf(text);
  } catch (error) {
    if (hasCode(error, 'AGGREGATE_ID_INVALID')) return undefined;
    throw error;
  }
}
