import type { Type } from '@nestjs/common';
import type {
  AggregateEvent,
  AggregatePublisher,
  AggregateTransportOptions,
  ParkedAggregates,
} from 'nestjs-aggregate-transport';
import type { StoredValue } from '#library/records/key-port.js';
import type { PositionRecord } from '#library/records/position-record.js';

export const TOPIC = 'contract';
/** Has room for two letters. */
export const SMALL = 'contract-small';
/** Its groups begin after the events that are stored before their first start. */
export const NEW = 'contract-new';
export const TOPICS = {
  [TOPIC]: {},
  [SMALL]: { parked: { maxLetters: 2 } },
  [NEW]: { consume: { startAt: 'new' } },
} satisfies AggregateTransportOptions['topics'];

export const RETRY = { attempts: 3, firstDelayMs: 100, factor: 2, jitter: 0, maxDelayMs: 400 };

/** A running application: publishers of the topics and the given handlers. */
export interface RunningApp {
  readonly publisher: AggregatePublisher;
  /** Of the topic with little room for letters. */
  readonly small: AggregatePublisher;
  /** Of the topic whose groups start with new events. */
  readonly newOnly: AggregatePublisher;
  readonly parked: ParkedAggregates;
  close(): Promise<void>;
}

/** The server behind the transport, in a test that looks past the transport. All of {@link TOPIC}. */
export interface ServerOfWorld {
  /** Deletes all readers of the topic, of all groups. */
  deleteReaders(): Promise<void>;
  /** Reads the position of a group that has one partition. */
  position(group: string): Promise<StoredValue<PositionRecord>>;
  /** Writes it as an owner does; undefined if another write was first. */
  writePosition(group: string, record: PositionRecord, revision: number): Promise<number | undefined>;
}

/** Where the contract is checked. One world lasts for all tests; each test has a group of its own. */
export interface World {
  readonly server: ServerOfWorld;
  open(): Promise<void>;
  start(group: string, controller?: Type): Promise<RunningApp>;
  /** Lets time pass: a manual clock moves, or it really passes. */
  advance(ms: number): Promise<void>;
  /** Resolves when the condition holds; time may pass. */
  until(what: string, condition: () => boolean | Promise<boolean>): Promise<void>;
  /** Lets everything happen that needs no time. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

let serial = 0;
/** Each test's aggregates are its own: the stream is shared. */
export const fresh = (name: string): string => `${name} ${++serial}`;

export const counted = (
  aggregateId: string,
  payload: number,
  more: Partial<AggregateEvent> = {},
): AggregateEvent => ({ aggregateId, type: 'Counted', payload, ...more });

export async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
