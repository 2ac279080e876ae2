import { randomUUID } from 'node:crypto';
import { type AggregateTransportOptions, subjectOf, tokenOf } from 'nestjs-aggregate-transport';

/** Streams of the benches forget ids sooner than by default, so that the server does not hold those of rounds ago. */
export const STREAM = {
  duplicateWindowMs: 20_000,
  /** Set by `--cluster`, also for the processes that a suite starts. */
  get replicas(): number {
    return Number(process.env['BENCH_REPLICAS'] ?? 1);
  },
};
const PUBLISH = { giveUpAfterMs: 5_000 } as const;

/** The text that makes a stored event's body about so many bytes long; the envelope around it has about 190. */
export function paddingFor(bodyBytes: number): string {
  return 'x'.repeat(Math.max(0, bodyBytes - 200));
}

/** One message as the library would store it. */
export interface RawMessage {
  readonly subject: string;
  readonly body: Uint8Array;
  /** The header block, ready to be sent. */
  readonly headers: Uint8Array;
}

const subjects = new Map<string, string>();
const MAX_SUBJECTS = 200_000;

/** Subjects are made once: the raw contenders must not pay for hashes that a service of their kind does not need. */
function subjectFor(topic: string, aggregateId: string): string {
  const key = `${topic} ${aggregateId}`;
  const known = subjects.get(key);
  if (known !== undefined) return known;
  const made = subjectOf(topic, tokenOf(aggregateId));
  if (subjects.size < MAX_SUBJECTS) subjects.set(key, made);
  return made;
}

/** Makes the subjects of aggregates before the clock of a raw contender starts. */
export function prepareSubjects(topic: string, aggregateIds: readonly string[]): string[] {
  if (subjects.size + aggregateIds.length > MAX_SUBJECTS) subjects.clear();
  return aggregateIds.map((aggregateId) => subjectFor(topic, aggregateId));
}

/** An event of the wire format, written by hand: JSON envelope, dedup id in a header. */
export function rawMessage(
  topic: string,
  aggregateId: string,
  payload: unknown,
  version?: number,
): RawMessage {
  const id = randomUUID();
  const body = JSON.stringify({
    event_id: id,
    aggregate_id: aggregateId,
    event_type: 'Counted',
    event_version: 1,
    timestamp: new Date().toISOString(),
    payload,
    aggregate_version: version,
  });
  return {
    subject: subjectFor(topic, aggregateId),
    body: Buffer.from(body),
    headers: Buffer.from(`NATS/1.0\r\nNats-Msg-Id: ${aggregateId}:${id}\r\n\r\n`, 'latin1'),
  };
}

/** The message with more header lines, each with its line break after it. */
export function withHeaderLines(message: RawMessage, lines: string): RawMessage {
  const { headers } = message;
  const end = headers.length - 2;
  return { ...message, headers: Buffer.concat([headers.subarray(0, end), Buffer.from(`${lines}\r\n`)]) };
}

/** Options every bench of ours starts from: the defaults, but for {@link STREAM} and what the bench sets itself. */
export function optionsFor(
  url: string,
  topics: readonly string[],
  more: Partial<AggregateTransportOptions> = {},
): AggregateTransportOptions {
  return {
    servers: url,
    topics: Object.fromEntries(topics.map((topic) => [topic, {}])),
    ...more,
    stream: { ...STREAM, ...more.stream },
    publish: { ...PUBLISH, ...more.publish },
  };
}
