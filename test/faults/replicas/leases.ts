import type { NatsConnection } from 'nats';
import { GROUP, TOPIC } from '../consumer/scenario.js';

/** A lease as it stood at one moment. */
export interface LeaseLook {
  readonly owner: string;
  readonly released: boolean;
  readonly revision: number;
}

/** What the keys of the group say at one moment. */
export interface GroupLook {
  /** Per partition; undefined if it has none. */
  readonly leases: readonly (LeaseLook | undefined)[];
  readonly members: readonly string[];
}

const STREAM = 'KV_aggregate-transport';
const PREFIX = '$KV.aggregate-transport';
/** This part changes no layout. */
const FIRST_LAYOUT = 0;
const ANSWER_WITHIN_MS = 2_000;

/** Reads the keys of the group past the library. */
export async function lookAtGroup(nats: NatsConnection, partitions: number): Promise<GroupLook> {
  const numbers = Array.from({ length: partitions }, (_, partition) => partition);
  const leases = await Promise.all(numbers.map((partition) => readLease(nats, partitions, partition)));
  const filter = `${PREFIX}.member.${TOPIC}.${GROUP}.`;
  const info = await ask<{ state?: { subjects?: object } }>(nats, `STREAM.INFO.${STREAM}`, {
    subjects_filter: `${filter}*`,
  });
  const members = Object.keys(info.state?.subjects ?? {}).map((subject) => subject.slice(filter.length));
  return { leases, members };
}

async function readLease(
  nats: NatsConnection,
  partitions: number,
  partition: number,
): Promise<LeaseLook | undefined> {
  const found = await ask<{ message?: { seq: number; data: string } }>(nats, `STREAM.MSG.GET.${STREAM}`, {
    last_by_subj: `${PREFIX}.lease.${TOPIC}.${GROUP}.${FIRST_LAYOUT}.${partitions}.${partition}`,
  });
  if (found.message === undefined) return undefined;
  const json = Buffer.from(found.message.data, 'base64').toString('utf8');
  const { owner, released = false } = JSON.parse(json) as { owner: string; released?: boolean };
  return { owner, released, revision: found.message.seq };
}

async function ask<T>(nats: NatsConnection, call: string, body: object): Promise<T> {
  const answer = await nats.request(`$JS.API.${call}`, JSON.stringify(body), { timeout: ANSWER_WITHIN_MS });
  return answer.json<T>();
}
