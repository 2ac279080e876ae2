import { AggregateTransportError } from '../../errors.js';
import type { StreamInfo } from '../../stream/api/api-types.js';
import { streamConfigOf } from '../../stream/api/configuration.js';
import { API_ERROR, type JetStreamApi, JetStreamApiError } from '../../stream/api/jetstream-api.js';
import { findStream } from '../../stream/api/provision.js';
import { subjectsOf } from '../../stream/api/subjects.js';
import {
  keyPrefixOf,
  LEASE_BUCKET,
  leaseFilter,
  MARKER_BUCKET,
  markerFilter,
  memberPrefix,
  parkedStreamOf,
  positionsStreamOf,
  streamOfBucket,
} from '../../stream/keys/key-places.js';
import { DEFAULTS } from '../../transport/options.js';
import { GROUP, type SizeBound, TOPIC_PREFIX } from '../../verifying/settings.js';
import { UsageError } from '../command/terminal.js';

/** What a run writes into its stream, so that a later one knows what to remove. */
export interface RunMark {
  readonly host: string;
  readonly pid: number;
  readonly startedAt: string;
  /** After so many seconds no process of the run lives, unless its machine stood still. */
  readonly seconds: number;
  /** Buckets that were not there before the run. */
  readonly made: readonly string[];
}

/** What a run leaves if it is killed. */
export interface Leftover {
  readonly topic: string;
  /** Undefined if it cannot be read, or if the topic's stream is gone. */
  readonly mark: RunMark | undefined;
}

const MARK_KEY = 'aggregate-transport.verify';
const BUCKETS = [LEASE_BUCKET, MARKER_BUCKET];
const MAX_PAGES = 64;

/** The streams and keys of a run: made, found and removed. Nothing is touched whose name is not of a run. */
export class OwnStreams {
  constructor(private readonly api: JetStreamApi) {}

  /** Copies of each stream of a new run: as many as the leases have, else what fits the servers. */
  async copiesFor(isCluster: boolean): Promise<number> {
    const leases = await findStream(this.api, streamOfBucket(LEASE_BUCKET));
    return leases?.config.num_replicas ?? (isCluster ? COPIES_IN_CLUSTER : 1);
  }

  /**
   * Makes the topic's stream. Its processes make the others.
   * @throws UsageError if anything of that name exists
   */
  async make(
    topic: string,
    bound: SizeBound,
    mark: Omit<RunMark, 'made'> & { readonly copies: number },
  ): Promise<void> {
    const { copies, ...run } = mark;
    for (const name of streamsOf(topic))
      if ((await findStream(this.api, name)) !== undefined) throw exists(topic, name);
    const found = await Promise.all(BUCKETS.map((bucket) => findStream(this.api, streamOfBucket(bucket))));
    const made = BUCKETS.filter((_, index) => found[index] === undefined);
    const { topicBytes: maxBytes, messages: maxMessages } = bound;
    const options = { ...DEFAULTS.stream, maxBytes, maxMessages, replicas: copies, discard: 'new' as const };
    const { metadata, ...config } = streamConfigOf(topic, options);
    const marked = { ...metadata, [MARK_KEY]: JSON.stringify({ ...run, made }) };
    try {
      await this.api.request(`STREAM.CREATE.${topic}`, { ...config, metadata: marked });
    } catch (error) {
      // Another run of this name was faster.
      if (error instanceof JetStreamApiError && error.errorCode === API_ERROR.streamNameInUse)
        throw exists(topic, topic);
      throw error;
    }
  }

  /** Topics of runs that the server holds something of. */
  async leftovers(): Promise<Leftover[]> {
    const names = await this.#names();
    const topics = new Set(names.map((name) => name.replace(/_(?:positions|parked)$/, '')));
    return Promise.all(
      [...topics].sort().map(async (topic) => ({ topic, mark: markOf(await findStream(this.api, topic)) })),
    );
  }

  async leftover(topic: string): Promise<Leftover | undefined> {
    const found = await Promise.all(streamsOf(topic).map((name) => findStream(this.api, name)));
    if (found.every((stream) => stream === undefined)) return undefined;
    return { topic, mark: markOf(found[0]) };
  }

  /**
   * Removes everything of a run. No process of it may run. Safe to call again.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async remove({ topic, mark }: Leftover): Promise<void> {
    if (!topic.startsWith(TOPIC_PREFIX)) throw notOurs(topic);
    const [, ...others] = streamsOf(topic);
    // The stream with the mark goes last: a removal that is killed can be done again.
    for (const name of others) await this.#deleteStream(name);
    for (const filter of [leaseFilter(topic, GROUP), `${memberPrefix(topic, GROUP)}>`])
      await this.#purge(LEASE_BUCKET, filter);
    await this.#purge(MARKER_BUCKET, markerFilter(topic, GROUP));
    for (const bucket of mark?.made ?? []) await this.#deleteUnused(bucket);
    await this.#deleteStream(topic);
  }

  /** A bucket that a run has made stays if another topic has put something into it. */
  async #deleteUnused(bucket: string): Promise<void> {
    if (!BUCKETS.includes(bucket)) return;
    const stream = streamOfBucket(bucket);
    const subjects = await subjectsOf(this.api, stream, `${keyPrefixOf(bucket)}>`);
    const names = await this.#names();
    // Another run that is under way needs it.
    if (subjects.size === 0 && names.filter((name) => !/_(?:positions|parked)$/.test(name)).length <= 1)
      await this.#deleteStream(stream);
  }

  async #purge(bucket: string, filter: string): Promise<void> {
    await this.api.find(`STREAM.PURGE.${streamOfBucket(bucket)}`, { filter }, API_ERROR.streamNotFound);
  }

  async #deleteStream(name: string): Promise<void> {
    await this.api.find(`STREAM.DELETE.${name}`, undefined, API_ERROR.streamNotFound);
  }

  async #names(): Promise<string[]> {
    const names: string[] = [];
    for (let page = 0, offset = 0; page < MAX_PAGES; page++) {
      const answer = await this.api.request<{ total: number; streams: string[] | null }>('STREAM.NAMES', {
        offset,
      });
      const found = answer.streams ?? [];
      names.push(...found.filter((name) => name.startsWith(TOPIC_PREFIX)));
      offset += found.length;
      if (found.length === 0 || offset >= answer.total) break;
    }
    return names;
  }
}

const COPIES_IN_CLUSTER = 3;

/** The streams of a topic, its own first. */
export function streamsOf(topic: string): [string, ...string[]] {
  return [topic, positionsStreamOf(topic), parkedStreamOf(topic)];
}

/** Metadata may have been written by anything. */
function markOf(stream: StreamInfo | undefined): RunMark | undefined {
  const text = stream?.config.metadata?.[MARK_KEY];
  if (text === undefined) return undefined;
  try {
    const mark = JSON.parse(text) as Partial<RunMark>;
    const { host, pid, startedAt, seconds, made } = mark;
    const isWhole =
      typeof host === 'string' &&
      typeof pid === 'number' &&
      typeof startedAt === 'string' &&
      typeof seconds === 'number' &&
      Array.isArray(made);
    return isWhole ? { host, pid, startedAt, seconds, made } : undefined;
  } catch {
    return undefined;
  }
}

function exists(topic: string, name: string): UsageError {
  const verb = topic.slice(TOPIC_PREFIX.length);
  return new UsageError(
    `expected no stream "${name}", found one: another run uses it, or was killed; choose another --topic, ` +
      `or remove it with aggregate-transport verify --clean --topic ${verb}`,
  );
}

function notOurs(topic: string): AggregateTransportError {
  return new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected a topic that begins with "${TOPIC_PREFIX}", found "${topic}"; nothing else is removed`,
  );
}
