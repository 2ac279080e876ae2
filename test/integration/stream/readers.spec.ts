import { describe, expect, test } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { silentLog } from '#library/log.js';
import type { Delivery } from '#library/message/delivery.js';
import type { Feed, FeedListener } from '#library/message/reader-port.js';
import { ReaderWire } from '#library/stream/wires/reader-wire.js';
import { eventually } from '../../support/eventually.js';
import { StreamWorld, VERSIONS } from './world.js';

/** Keeps what a reader delivers, and what the server says of its pulls. */
class Heard implements FeedListener {
  readonly events: Delivery[] = [];
  readonly idles: [delivered: number, through: number][] = [];
  readonly unused: number[] = [];
  readonly losses: string[] = [];
  unheardCount = 0;
  onEvent: (() => void) | undefined;

  get sequences(): number[] {
    return this.events.map(({ sequence }) => sequence);
  }

  delivered(event: Delivery): void {
    this.events.push(event);
    this.onEvent?.();
  }

  idle(delivered: number, through: number): void {
    this.idles.push([delivered, through]);
  }

  pullEnded(unused: number): void {
    this.unused.push(unused);
  }

  unheard(): void {
    this.unheardCount++;
  }

  lost(reason: string): void {
    this.losses.push(reason);
  }
}

const PULL = { events: 10, expiresMs: 1_000, idleHeartbeatMs: 400 };

describe.each(VERSIONS)('a reader on nats-server %s', (version) => {
  const world = new StreamWorld(version);
  let topics = 0;
  let names = 0;

  async function open(events: readonly string[], partitions = 1, partition = 0) {
    const topic = `read-${topics++}`;
    await world.topic(topic);
    for (const id of events) await world.publish(topic, id);
    const address = { topic, group: 'g', layout: 0, partitions, partition };
    const told: string[] = [];
    const port = new ReaderWire(
      { connection: world.connection, api: world.api, address, maxWaiting: 8, log: silentLog },
      { disconnected: () => told.push('disconnected'), reconnected: () => told.push('reconnected') },
    );
    const read = async (fromSequence: number): Promise<{ feed: Feed; heard: Heard; name: string }> => {
      const [heard, name] = [new Heard(), `g-0-1-0-e1-${names++}`];
      return { feed: await port.open({ name, fromSequence }, heard), heard, name };
    };
    return { topic, port, read, told };
  }

  async function readers(topic: string): Promise<string[]> {
    const { consumers } = await world.api.request<{ consumers: string[] | null }>(
      `CONSUMER.NAMES.${topic}`,
      {},
    );
    return consumers ?? [];
  }

  test('delivers from a sequence on, numbered from 1, and leaves nothing behind when it is closed', async () => {
    const { topic, read, port } = await open(['a', 'b', 'a', 'c']);
    const { feed, heard, name } = await read(2);
    feed.pull(PULL);
    await eventually('three events', () => heard.events.length === 3);
    expect(heard.sequences).toEqual([2, 3, 4]);
    expect(heard.events.map(({ origin }) => origin.consumerSequence)).toEqual([1, 2, 3]);
    expect(heard.events.map(({ token }) => token)).toEqual(['b', 'a', 'c']);
    expect(await readers(topic)).toEqual([name]);
    feed.close();
    feed.close();
    await world.publish(topic, 'd');
    await eventually('the reader is deleted', async () => (await readers(topic)).length === 0);
    expect(heard.events).toHaveLength(3);
    port.close();
  });

  test('is a consumer without acks in the memory of one server, and says whose it is', async () => {
    const { topic, read, port } = await open([]);
    const { name } = await read(7);
    const { config } = await world.api.request<{ config: object }>(`CONSUMER.INFO.${topic}.${name}`);
    expect(config).toMatchObject({
      ack_policy: 'none',
      deliver_policy: 'by_start_sequence',
      opt_start_seq: 7,
      filter_subject: `${topic}${'.*'.repeat(9)}`,
      replay_policy: 'instant',
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: 10_000_000_000,
      max_waiting: 8,
      description: expect.stringMatching(/^reader of spec, process \d+, connection \d+$/),
    });
    port.close();
    await eventually('closing the port deletes it', async () => (await readers(topic)).length === 0);
  });

  test('delivers its partition only, and tells how far it has read past other events', async () => {
    // Of two partitions "b" is in one, "a" and "c" in the other.
    const { read, port } = await open(['b', 'a', 'c', 'b', 'b'], 2, 0);
    const { feed, heard } = await read(1);
    feed.pull(PULL);
    await eventually('a heartbeat', () => heard.idles.length > 0);
    expect(heard.idles[0]).toEqual([heard.events.length, 5]);
    expect(new Set(heard.events.map(({ token }) => token)).size).toBeLessThan(3);
    port.close();
  });

  test('two of them take nothing from each other', async () => {
    const { read, port } = await open(['a', 'b', 'c']);
    const [one, other] = await Promise.all([read(1), read(1)]);
    one.feed.pull(PULL);
    other.feed.pull(PULL);
    await eventually('both deliver all', () => one.heard.events.length + other.heard.events.length === 6);
    expect(one.heard.sequences).toEqual(other.heard.sequences);
    port.close();
  });

  test('tells how much of a pull was not used when its time is over', async () => {
    const { read, port } = await open(['a', 'b']);
    const { feed, heard } = await read(1);
    feed.pull({ events: 5, expiresMs: 200, idleHeartbeatMs: 100 });
    await eventually('the pull ends', () => heard.unused.length > 0);
    expect(heard.unused).toEqual([3]);
    expect(heard.losses).toEqual([]);
    port.close();
  });

  test('that was deleted with a pull open is lost; a pull after that is unheard', async () => {
    const { topic, read, port } = await open([]);
    const { feed, heard, name } = await read(1);
    feed.pull({ ...PULL, expiresMs: 5_000 });
    await world.connection.nats.flush();
    await world.api.request(`CONSUMER.DELETE.${topic}.${name}`);
    await eventually('the loss', () => heard.losses.length > 0);
    expect(heard.losses[0]).toMatch(/409 Consumer Deleted/);
    feed.pull(PULL);
    await eventually('503', () => heard.unheardCount > 0);
    expect(heard.losses).toHaveLength(1);
    port.close();
  });

  test('whose pull is refused is lost, with the reason of the server', async () => {
    const { read, port } = await open([]);
    const { feed, heard } = await read(1);
    // Longer than the server may wait between two heartbeats of so short a pull.
    feed.pull({ events: 1, expiresMs: 100, idleHeartbeatMs: 90 });
    await eventually('the refusal', () => heard.losses.length > 0);
    expect(heard.losses[0]).toMatch(/^the server ended the pull: 400 /);
    port.close();
  });

  test('survives a listener that throws: it is lost, and the subscription stays', async () => {
    const { read, port } = await open(['a', 'b']);
    const { feed, heard } = await read(1);
    heard.onEvent = () => {
      if (heard.events.length === 1) throw new Error('broken');
    };
    feed.pull(PULL);
    await eventually('the second event', () => heard.events.length === 2);
    expect(heard.losses).toEqual(['what it delivered was not taken in: Error: broken']);
    port.close();
  });

  test('refused for too many consumers says what to raise', async () => {
    const { topic, port } = await open([]);
    const { config } = await world.api.request<{ config: object }>(`STREAM.INFO.${topic}`);
    await world.remove(topic);
    await world.api.request(`STREAM.CREATE.${topic}`, { ...config, max_consumers: 1 });
    await port.open({ name: 'g-one', fromSequence: 1 }, new Heard());
    const refused = port.open({ name: 'g-two', fromSequence: 1 }, new Heard());
    await expect(refused).rejects.toMatchObject({ code: 'JETSTREAM_REQUEST_FAILED' });
    await expect(refused).rejects.toThrow(/reader "g-two".*max_consumers/);
    port.close();
  });

  test('of a stream that is gone, or of a closed port, is refused', async () => {
    const { topic, read, port } = await open([]);
    await world.remove(topic);
    await expect(read(1)).rejects.toMatchObject({ code: 'JETSTREAM_REQUEST_FAILED' });
    await expect(port.stream()).rejects.toMatchObject({ code: 'JETSTREAM_REQUEST_FAILED' });
    port.close();
    await expect(read(1)).rejects.toThrow(/its partition has closed/);
  });

  test('finds a single event with the very time it would be delivered with', async () => {
    const ids = Array.from({ length: 40 }, (_, n) => `id-${n}`);
    const { read, port } = await open(ids);
    const { feed, heard } = await read(1);
    feed.pull({ ...PULL, events: 100 });
    await eventually('all', () => heard.events.length === ids.length);
    for (const delivered of heard.events) {
      const found = await port.find(delivered.sequence);
      expect(found?.origin.readStoredAt()).toBe(delivered.origin.readStoredAt());
      expect(found?.origin.readStoredAt()).toMatch(/^\d{19}$/);
      expect(found?.token).toBe(delivered.token);
      expect(found?.origin.subject).toBe(delivered.origin.subject);
      expect(found?.origin.consumerSequence).toBe(0);
      expect(Buffer.from(found!.origin.body)).toEqual(Buffer.from(delivered.origin.body));
      expect(found?.origin.readHeaders()).toEqual(delivered.origin.readHeaders());
    }
    port.close();
  });

  test('finds no event that the stream does not hold, and tells where the stream begins and ends', async () => {
    const { topic, port } = await open(['a', 'b', 'c']);
    await world.api.request(`STREAM.PURGE.${topic}`, { seq: 3 });
    expect(await port.find(1)).toBeUndefined();
    expect(await port.find(99)).toBeUndefined();
    expect((await port.find(3))?.token).toBe('c');
    expect(await port.stream()).toEqual({
      created: expect.stringMatching(/^\d{4}-/),
      firstSequence: 3,
      isRestored: false,
      lastSequence: 3,
    });
    port.close();
  });

  test('is removed by the server ten seconds after its last pull', async () => {
    const { topic, port, read } = await open([]);
    await read(1);
    expect(await readers(topic)).toHaveLength(1);
    await eventually('the reader is gone', async () => {
      await delay(500);
      return (await readers(topic)).length === 0;
    });
    port.close();
  });

  test('hears of its connection; without one nothing is thrown but by what must have an answer', async () => {
    const { topic, port, read, told } = await open(['a', 'b']);
    const { feed, heard } = await read(1);
    feed.pull({ ...PULL, events: 1 });
    await eventually('the first event', () => heard.events.length === 1);
    await world.crash();
    await eventually('the loss of the connection', () => told.length === 1);
    expect(port.connected).toBe(false);
    await expect(read(1)).rejects.toThrow(/found no connection; /);
    feed.pull(PULL);
    feed.close();
    await world.start();
    await eventually('the connection', () => told.length === 2);
    expect(told).toEqual(['disconnected', 'reconnected']);
    const next = await read(2);
    next.feed.pull(PULL);
    await eventually('the second event', () => next.heard.events.length === 1);
    expect(next.heard.events[0]!.origin.consumerSequence).toBe(1);
    expect(await readers(topic)).toEqual([next.name]);
    port.close();
  });
});
