import type { SettingDifference } from '../../records/setting-difference.js';
import type { StreamInfo } from '../api/api-types.js';
import { publishConfirmed } from '../api/confirmed-publish.js';
import { isDenied, type JetStreamApi } from '../api/jetstream-api.js';
import { findStream, rulesOfAnyTopic, type StreamRequest, topicRules } from '../api/provision.js';
import { differencesOf, type SettingRule } from '../api/stream-settings.js';
import type { Connection } from '../connection/connection.js';
import { LEASE_RULES } from '../groups/lease-bucket.js';
import { traceOf } from '../groups/group-traces.js';
import { letterRules, MARKER_RULES } from '../groups/parked-streams.js';
import { positionRules } from '../groups/positions-stream.js';
import {
  LEASE_BUCKET,
  MARKER_BUCKET,
  parkedStreamOf,
  positionsStreamOf,
  streamOfBucket,
} from '../keys/key-places.js';

/** A stream of a topic, as it is and as it must be; undefined if it is missing. */
export interface ExaminedStream {
  readonly name: string;
  readonly info: StreamInfo | undefined;
  readonly differences: readonly SettingDifference[];
}

/** What a user may do. */
export interface ProbedSubject {
  readonly subject: string;
  readonly for: string;
  readonly isAllowed: boolean;
}

interface AccountInfo {
  readonly storage: number;
  readonly memory: number;
  readonly streams: number;
  /** Where the account's JetStream is in a domain. */
  readonly domain?: string;
  readonly limits: {
    readonly max_storage: number;
    readonly max_memory: number;
    readonly max_streams: number;
  };
}

/** Names no stream, so a server that looks at it stores nothing. */
const NO_STREAM = 'aggregate-transport-doctor';
const NOTHING = 'aggregate-transport-doctor';
/** The server answers it with an error, after it has looked at the permission. */
const NO_JSON = '!';

/** What a doctor asks a server. Nothing is changed by any of it. */
export class DoctorWire {
  constructor(
    private readonly connection: Connection,
    private readonly api: JetStreamApi,
  ) {}

  async account(): Promise<AccountInfo> {
    return this.api.request<AccountInfo>('INFO');
  }

  /** The topic's stream and, for a topic with a group, the four beside it. `options`: those of a service. */
  async streams(
    topic: string,
    options: StreamRequest | undefined,
    hasGroup: boolean,
  ): Promise<ExaminedStream[]> {
    const own = await findStream(this.api, topic);
    const rules = options === undefined ? rulesOfAnyTopic(topic) : topicRules(options);
    const found = [examined(topic, own, rules)];
    if (!hasGroup) return found;
    const storage = own?.config ?? { storage: 'file', num_replicas: 1 };
    const others: readonly (readonly [string, readonly SettingRule[]])[] = [
      [positionsStreamOf(topic), positionRules(topic, storage)],
      [parkedStreamOf(topic), letterRules(topic, storage)],
      [streamOfBucket(LEASE_BUCKET), LEASE_RULES],
      [streamOfBucket(MARKER_BUCKET), MARKER_RULES],
    ];
    for (const [name, its] of others) found.push(examined(name, await findStream(this.api, name), its));
    return found;
  }

  /**
   * What shows that a group has run, other than its record; undefined if nothing does.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  traceOf(topic: string, group: string): Promise<string | undefined> {
    return traceOf(this.api, topic, group);
  }

  /**
   * Which subjects of docs/operations.md this user may publish to. Events and keys are sent with a condition that no
   * stream meets, calls with a body that no server can read. So nothing is stored, made or removed.
   */
  async permissions(topic: string, hasGroup: boolean): Promise<ProbedSubject[]> {
    const probes = hasGroup ? [...publisherProbes(topic), ...handlerProbes(topic)] : publisherProbes(topic);
    const answers: ProbedSubject[] = [];
    for (const { subject, call, body, why } of probes) {
      const refused = await (call === undefined
        ? this.#isWriteDenied(subject)
        : this.#isCallDenied(call, body));
      answers.push({
        subject: call === undefined ? subject : this.api.subjectOf(call),
        for: why,
        isAllowed: !refused,
      });
    }
    return answers;
  }

  async #isWriteDenied(subject: string): Promise<boolean> {
    const headers = new Map([['Nats-Expected-Stream', NO_STREAM]]);
    return publishConfirmed(this.connection, subject, '', headers).then(() => false, isDenied);
  }

  async #isCallDenied(call: string, body: unknown): Promise<boolean> {
    return this.api.request(call, body, CALL_TIMEOUT_MS).then(() => false, isDenied);
  }
}

const CALL_TIMEOUT_MS = 1_000;

interface Probe {
  readonly subject: string;
  readonly call?: string;
  readonly body?: unknown;
  readonly why: string;
}

function publisherProbes(topic: string): Probe[] {
  return [
    { subject: `${topic}.0.0.0.0.0.0.0.0.${NOTHING}`, why: 'events' },
    apiProbe(`STREAM.INFO.${topic}`, 'the checks of settings', {}),
    apiProbe(`STREAM.MSG.GET.${topic}`, 'look-ups and histories'),
    apiProbe(`DIRECT.GET.${topic}`, 'histories in batches'),
  ];
}

function handlerProbes(topic: string): Probe[] {
  const parked = parkedStreamOf(topic);
  const leases = streamOfBucket(LEASE_BUCKET);
  return [
    { subject: `$KV.${LEASE_BUCKET}.${NOTHING}`, why: 'leases and presence' },
    { subject: `$KV.${positionsStreamOf(topic)}.${NOTHING}`, why: "positions and the group's record" },
    { subject: `$KV.${MARKER_BUCKET}.${NOTHING}`, why: 'markers of parked aggregates' },
    { subject: `${parked}.${NOTHING}.skipped.${NOTHING}`, why: 'letters' },
    ...[positionsStreamOf(topic), parked, leases, streamOfBucket(MARKER_BUCKET)].flatMap((stream) => [
      apiProbe(`STREAM.INFO.${stream}`, 'the checks of settings', {}),
      apiProbe(`STREAM.MSG.GET.${stream}`, 'keys and letters'),
    ]),
    apiProbe(`STREAM.MSG.DELETE.${parked}`, 'letters that are handled'),
    apiProbe(`STREAM.MSG.DELETE.${streamOfBucket(MARKER_BUCKET)}`, 'markers that fall'),
    apiProbe(`DIRECT.GET.${parked}`, 'letters in batches'),
    // Even if it were carried out: no message lies before the first.
    apiProbe(`STREAM.PURGE.${parked}`, 'letters that are handled, many at once', { seq: 1, filter: NOTHING }),
    apiProbe(`STREAM.PURGE.${leases}`, 'records of replicas that have ended', { seq: 1, filter: NOTHING }),
    apiProbe(`CONSUMER.CREATE.${topic}.${NOTHING}.${topic}.${NOTHING}`, 'readers'),
    apiProbe(`CONSUMER.MSG.NEXT.${topic}.${NOTHING}`, 'readers'),
    apiProbe(`CONSUMER.DELETE.${topic}.${NOTHING}`, 'readers'),
    apiProbe(`CONSUMER.INFO.${topic}.${NOTHING}`, 'the check whether readers were edited', {}),
    apiProbe(`CONSUMER.NAMES.${topic}`, 'the search for consumers of an old release', {}),
  ];
}

function apiProbe(call: string, why: string, body: unknown = NO_JSON): Probe {
  return { subject: call, call, body, why };
}

function examined(name: string, info: StreamInfo | undefined, rules: readonly SettingRule[]): ExaminedStream {
  return { name, info, differences: info === undefined ? [] : differencesOf(info.config, rules) };
}
