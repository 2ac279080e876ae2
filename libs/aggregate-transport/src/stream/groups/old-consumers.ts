import { AggregateTransportError } from '../../errors.js';
import type { JetStreamApi } from '../api/jetstream-api.js';

interface NamesPage {
  readonly total: number;
  readonly consumers: readonly string[] | null;
}

/** Of 1 024 names each. */
const MAX_PAGES = 64;
const SHOWN = 5;
/** The name `<group>-<N>-<partition>`, and `-g<generation>` of one that replaced another. Readers have other names. */
const OLD_NAME = /^(.+)-\d+-\d+(?:-g\d+)?$/;

/**
 * The durable consumers that a release with acks left for a group, by name. A process of that release would handle the
 * group's events a second time.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function oldConsumersOf(api: JetStreamApi, topic: string, group: string): Promise<string[]> {
  const found: string[] = [];
  for (let offset = 0, page = 0; page < MAX_PAGES; page++) {
    const { total, consumers } = await api.request<NamesPage>(`CONSUMER.NAMES.${topic}`, { offset });
    const names = consumers ?? [];
    found.push(...names.filter((name) => OLD_NAME.exec(name)?.[1] === group));
    offset += names.length;
    if (names.length === 0 || offset >= total) break;
  }
  return found;
}

/** @throws OLD_CONSUMERS if there are some */
export function refuseOldConsumers(topic: string, group: string, found: readonly string[]): void {
  if (found.length === 0) return;
  const shown = found.slice(0, SHOWN).join(', ') + (found.length > SHOWN ? `, … (${found.length})` : '');
  throw new AggregateTransportError(
    'OLD_CONSUMERS',
    `expected group "${group}" on topic "${topic}" to have no durable consumers, found ${shown}; a version that was ` +
      'never released made them. Stop every replica that still runs it, then delete them: ' +
      `nats consumer rm ${topic} ${found[0] ?? ''}`,
  );
}
