import { LAYOUT_KEY, type StreamConfig, type StreamOptions } from '../api/configuration.js';
import { AggregateTransportError } from '../../errors.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import { createStream, findStream, type Provision } from '../api/provision.js';

/** The key-value bucket that keeps the markers of parked aggregates. */
export const MARKER_BUCKET = 'aggregate-transport-parked';

/** What a topic's parked stream is called; no topic may have that name. */
export function parkedStreamOf(topic: string): string {
  return `${topic}_parked`;
}

export interface ParkedOptions {
  /** Room for letters, in bytes. */
  readonly maxBytes: number;
  /** Room for letters, in number. */
  readonly maxLetters: number;
}

export interface ParkedStreamsRequest {
  readonly topic: string;
  readonly provision: Provision;
  readonly options: ParkedOptions;
  readonly stream: Pick<StreamOptions, 'storage' | 'replicas'>;
}

const PARKED_LAYOUT = 'parked-1';

/**
 * Makes sure that a topic's parked stream and the bucket of markers exist. Both answer reads from their leader
 * only, and both let single messages be removed, which is what unparking is.
 * @throws STREAM_MISSING, STREAM_MISMATCH, JETSTREAM_REQUEST_FAILED
 */
export async function provisionParkedStreams(
  api: JetStreamApi,
  request: ParkedStreamsRequest,
): Promise<void> {
  if (request.provision === 'off') return;
  const { storage, replicas } = request.stream;
  const common = {
    storage,
    num_replicas: replicas,
    retention: 'limits',
    discard: 'new',
    max_age: 0,
    allow_direct: false,
    deny_delete: false,
  };
  await ensure(api, request.provision, {
    ...common,
    name: `KV_${MARKER_BUCKET}`,
    subjects: [`$KV.${MARKER_BUCKET}.>`],
    max_msgs_per_subject: 1,
    storage: 'file',
  });
  const name = parkedStreamOf(request.topic);
  await ensure(api, request.provision, {
    ...common,
    name,
    subjects: [`${name}.*${'.*'.repeat(BITS_AND_TOKEN)}`, `${name}.*.skipped.*`],
    max_bytes: request.options.maxBytes,
    max_msgs: request.options.maxLetters,
    metadata: { [LAYOUT_KEY]: PARKED_LAYOUT },
  });
}

const BITS_AND_TOKEN = 9;

type ParkedStreamConfig = Partial<StreamConfig> & Pick<StreamConfig, 'name'> & Record<string, unknown>;

async function ensure(api: JetStreamApi, provision: Provision, wanted: ParkedStreamConfig): Promise<void> {
  let found = await findStream(api, wanted.name);
  if (found === undefined && provision === 'ensure') found = await createStream(api, wanted);
  if (found === undefined) {
    throw new AggregateTransportError(
      'STREAM_MISSING',
      `expected a stream "${wanted.name}" for parked aggregates, found none; create it, or set stream.provision to "ensure"`,
    );
  }
  const [want, have] = [wanted.metadata?.[LAYOUT_KEY], found.config.metadata?.[LAYOUT_KEY]];
  if (want !== have || found.config.discard !== 'new') {
    throw new AggregateTransportError(
      'STREAM_MISMATCH',
      `expected stream "${wanted.name}" to be made by this library for parked aggregates (layout ${want ?? 'none'}, ` +
        `discard "new"), found layout ${have ?? 'none'}, discard "${found.config.discard}"; use another topic name`,
    );
  }
}
