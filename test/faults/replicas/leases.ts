import type { NatsConnection } from 'nats';
import { GROUP, TOPIC } from '../consumer/scenario.js';

/** A lease as it stood at one moment. */
export interface LeaseLook {
  readonly owner: string;
  readonly released: boolean;
  /** Of the session that keeps the lease. */
  readonly revision: number;
}

interface Stored<T> {
  readonly value: T;
  readonly revision: number;
}

interface Member {
  readonly term: number;
  readonly ended?: boolean;
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
  const filter = `${PREFIX}.member.${TOPIC}.${GROUP}.`;
  const info = await ask<{ state?: { subjects?: object } }>(nats, `STREAM.INFO.${STREAM}`, {
    subjects_filter: `${filter}*`,
  });
  const names = Object.keys(info.state?.subjects ?? {}).map((subject) => subject.slice(filter.length));
  const sessions = new Map<string, Stored<Member>>();
  for (const name of names) {
    const session = await readKey<Member>(nats, filter + name);
    if (session !== undefined && session.value.ended !== true) sessions.set(name, session);
  }
  const leases = await Promise.all(
    numbers.map((partition) => readLease(nats, { partitions, partition }, sessions)),
  );
  return { leases, members: [...sessions.keys()] };
}

async function readLease(
  nats: NatsConnection,
  { partitions, partition }: { readonly partitions: number; readonly partition: number },
  sessions: ReadonlyMap<string, Stored<Member>>,
): Promise<LeaseLook | undefined> {
  const subject = `${PREFIX}.lease.${TOPIC}.${GROUP}.${FIRST_LAYOUT}.${partitions}.${partition}`;
  const found = await readKey<{ owner: string; term: number; released?: boolean }>(nats, subject);
  if (found === undefined) return undefined;
  const { owner, term, released = false } = found.value;
  const session = sessions.get(owner);
  return { owner, released, revision: session?.value.term === term ? session.revision : 0 };
}

async function readKey<T>(nats: NatsConnection, subject: string): Promise<Stored<T> | undefined> {
  const question = { last_by_subj: subject };
  const found = await ask<{ message?: { seq: number; data: string } }>(
    nats,
    `STREAM.MSG.GET.${STREAM}`,
    question,
  );
  if (found.message === undefined) return undefined;
  const json = Buffer.from(found.message.data, 'base64').toString('utf8');
  return { value: JSON.parse(json) as T, revision: found.message.seq };
}

async function ask<T>(nats: NatsConnection, call: string, body: object): Promise<T> {
  const answer = await nats.request(`$JS.API.${call}`, JSON.stringify(body), { timeout: ANSWER_WITHIN_MS });
  return answer.json<T>();
}
