import { beforeAll, describe, expect, test } from '@jest/globals';
import { SAYS_ALL } from '../../support/says-all.js';
import { StreamWorld } from './world.js';

interface Found {
  readonly config: Record<string, unknown>;
}

const LEASES = 'KV_aggregate-transport';
const MARKERS = 'KV_aggregate-transport-parked';
/** Another subject for each stream: streams must not share one. */
const ELSEWHERE = 'elsewhere';
const OTHER_SUBJECTS = /subjects \[".*"\], found \["elsewhere-/;

describe('a stream whose settings break a promise ends the start-up, named', () => {
  const world = new StreamWorld('2.15');
  let topics = 0;

  beforeAll(() => world.group('settings', 'g').then(() => undefined));

  /** Makes a stream again with other settings, all the rest as this library makes it. */
  async function remake(stream: string, changed: object): Promise<Record<string, unknown>> {
    const { config } = await world.api.request<Found>(`STREAM.INFO.${stream}`);
    await world.remove(stream);
    const elsewhere = 'subjects' in changed && changed.subjects !== undefined;
    const subjects = elsewhere ? { subjects: [`${ELSEWHERE}-${stream}`] } : {};
    await world.api.request(`STREAM.CREATE.${stream}`, { ...config, ...changed, ...subjects });
    return config;
  }

  async function expectRefusal(starting: Promise<unknown>, stream: string, text: RegExp): Promise<void> {
    await expect(starting).rejects.toMatchObject({ code: 'STREAM_MISMATCH' });
    await expect(starting).rejects.toThrow(`expected stream "${stream}" to have`);
    await expect(starting).rejects.toThrow(text);
    await expect(starting).rejects.toThrow(SAYS_ALL);
  }

  test.each<[setting: string, changed: object, text: RegExp]>([
    ['retention', { retention: 'workqueue' }, /retention "limits", found "workqueue"/],
    ['retention', { retention: 'interest' }, /retention "limits", found "interest"/],
    ['no_ack', { no_ack: true }, /no_ack unset, found true/],
    ['sources', { sources: [{ name: 'settings' }] }, /sources unset, found \[\{/],
    ['mirror', { mirror: { name: 'settings' }, subjects: undefined }, /mirror unset, found \{/],
    [
      'subject_transform',
      { subject_transform: { src: 'a.>', dest: 'b.>' } },
      /subject_transform unset, found \{"src":"a\.>"/,
    ],
    ['max_msgs_per_subject', { max_msgs_per_subject: 5 }, /max_msgs_per_subject -1, found 5/],
    [
      'subject_delete_marker_ttl',
      { subject_delete_marker_ttl: 60_000_000_000, allow_rollup_hdrs: true },
      /subject_delete_marker_ttl unset, found 60000000000/,
    ],
    ['subjects', { subjects: [ELSEWHERE] }, OTHER_SUBJECTS],
    [
      'consumer_limits',
      { consumer_limits: { inactive_threshold: 5_000_000_000 } },
      /consumer_limits without an inactive_threshold below 10000000000, found/,
    ],
    ['allow_msg_counter', { allow_msg_counter: true }, /allow_msg_counter unset, found true/],
    ['persist_mode', { persist_mode: 'async' }, /persist_mode "default", found "async"/],
    ['metadata', { metadata: {} }, /metadata "aggregate-transport\.layout" = "1", found none/],
  ])('%s of a topic: %j', async (_setting, changed, text) => {
    const topic = `topic-${topics++}`;
    await world.topic(topic);
    await remake(topic, { allow_atomic: false, allow_direct: false, ...changed });
    await expectRefusal(world.topic(topic), topic, text);
    await expectRefusal(world.topic(topic, { stream: { provision: 'verify' } }), topic, text);
    await expect(world.topic(topic, { stream: { provision: 'off' } })).resolves.toBeDefined();
  });

  test.each<[setting: string, changed: object, text: RegExp]>([
    ['storage', { storage: 'memory' }, /storage "file", found "memory"/],
    ['max_age', { max_age: 3_600_000_000_000 }, /max_age 0, found 3600000000000/],
    ['discard', { discard: 'old' }, /discard "new", found "old"/],
    ['max_msgs_per_subject', { max_msgs_per_subject: 3 }, /max_msgs_per_subject 1, found 3/],
    ['no_ack', { no_ack: true }, /no_ack unset, found true/],
    ['max_msg_size', { max_msg_size: 300 }, /max_msg_size -1, found 300/],
    [
      'subject_transform',
      { subject_transform: { src: 'a.>', dest: 'b.>' } },
      /subject_transform unset, found/,
    ],
    [
      'discard_new_per_subject',
      { discard_new_per_subject: true },
      /discard_new_per_subject unset, found true/,
    ],
    ['subjects', { subjects: [ELSEWHERE] }, OTHER_SUBJECTS],
    ['persist_mode', { persist_mode: 'async' }, /persist_mode "default", found "async"/],
    ['metadata', { metadata: {} }, /metadata "aggregate-transport\.layout" = "positions-1", found none/],
  ])('%s of the positions: %j', async (setting, changed, text) => {
    const topic = `positions-${topics++}`;
    await world.group(topic, 'g');
    await remake(`${topic}_positions`, changed);
    await expectRefusal(world.group(topic, 'g'), `${topic}_positions`, text);
    await expectRefusal(
      world.group(topic, 'g', { stream: { provision: 'verify' } }),
      `${topic}_positions`,
      text,
    );
    // Without the check nothing is written where nothing listens.
    if (setting === 'subjects') return;
    await expect(world.group(topic, 'g', { stream: { provision: 'off' } })).resolves.toBeDefined();
  });

  test.each<[setting: string, changed: object, text: RegExp]>([
    ['max_age', { max_age: 3_600_000_000_000 }, /max_age 0, found/],
    ['deny_delete', { deny_delete: true }, /deny_delete unset, found true/],
    ['discard', { discard: 'old' }, /discard "new", found "old"/],
    ['storage', { storage: 'memory' }, /storage "file", found "memory"/],
    ['max_msgs_per_subject', { max_msgs_per_subject: 2 }, /max_msgs_per_subject -1, found 2/],
    ['no_ack', { no_ack: true }, /no_ack unset, found true/],
    ['subjects', { subjects: [ELSEWHERE] }, OTHER_SUBJECTS],
    ['metadata', { metadata: {} }, /metadata "aggregate-transport\.layout" = "parked-1", found none/],
  ])('%s of the parked events: %j', async (_setting, changed, text) => {
    const topic = `parked-${topics++}`;
    await world.group(topic, 'g');
    await remake(`${topic}_parked`, { allow_atomic: false, ...changed });
    await expectRefusal(world.group(topic, 'g'), `${topic}_parked`, text);
  });

  test.each<[stream: string, setting: string, changed: object, text: RegExp]>([
    [LEASES, 'max_age', { max_age: 3_600_000_000_000 }, /max_age 0, found 3600000000000/],
    [LEASES, 'storage', { storage: 'memory' }, /storage "file", found "memory"/],
    [LEASES, 'history', { max_msgs_per_subject: 5 }, /max_msgs_per_subject 1, found 5/],
    [LEASES, 'discard', { discard: 'old' }, /discard "new", found "old"/],
    [LEASES, 'no_ack', { no_ack: true }, /no_ack unset, found true/],
    [
      LEASES,
      'rollup',
      { allow_rollup_hdrs: false, deny_purge: false },
      /allow_rollup_hdrs true, found (false|none)/,
    ],
    [
      LEASES,
      'discard_new_per_subject',
      { discard_new_per_subject: true },
      /discard_new_per_subject unset, found true/,
    ],
    [LEASES, 'subjects', { subjects: [ELSEWHERE] }, OTHER_SUBJECTS],
    [MARKERS, 'no_ack', { no_ack: true }, /no_ack unset, found true/],
    [MARKERS, 'rollup', { allow_rollup_hdrs: false }, /allow_rollup_hdrs true, found (false|none)/],
    [LEASES, 'deny_purge', { deny_purge: true, allow_rollup_hdrs: false }, /deny_purge unset, found true/],
    [MARKERS, 'max_age', { max_age: 3_600_000_000_000 }, /max_age 0, found 3600000000000/],
    [MARKERS, 'storage', { storage: 'memory' }, /storage "file", found "memory"/],
    [MARKERS, 'history', { max_msgs_per_subject: 5 }, /max_msgs_per_subject 1, found 5/],
    [MARKERS, 'discard', { discard: 'old' }, /discard "new", found "old"/],
    [MARKERS, 'deny_delete', { deny_delete: true }, /deny_delete unset, found true/],
  ])('bucket %s: %s', async (stream, _setting, changed, text) => {
    const before = await remake(stream, changed);
    try {
      await expectRefusal(world.group('settings', 'g'), stream, text);
    } finally {
      await world.remove(stream);
      await world.api.request(`STREAM.CREATE.${stream}`, before);
    }
    await expect(world.group('settings', 'g')).resolves.toBeDefined();
  });

  test('what breaks no promise is accepted: compression, placement, direct reads, copies, and who may remove events', async () => {
    const topic = `fine-${topics++}`;
    await world.group(topic, 'g');
    await remake(topic, {
      ...{ compression: 's2', allow_direct: true, deny_delete: true, deny_purge: true },
      ...{
        republish: { src: '>', dest: 'copies.>' },
        description: 'made by an operator',
        allow_msg_ttl: true,
      },
      consumer_limits: { inactive_threshold: 60_000_000_000, max_ack_pending: 10 },
    });
    await remake(`${topic}_positions`, { compression: 's2', allow_direct: true, max_bytes: 50_000_000 });
    await remake(`${topic}_parked`, { compression: 's2', allow_direct: true });
    await expect(world.group(topic, 'g')).resolves.toBeDefined();
  });

  test('what is missing is made by "ensure" alone', async () => {
    const topic = `missing-${topics++}`;
    await world.topic(topic);
    for (const provision of ['verify', 'off'] as const) {
      const starting = world.group(topic, 'g', { stream: { provision } });
      await expect(starting).rejects.toMatchObject({ code: 'STREAM_MISSING' });
    }
    await world.group(topic, 'g');
    for (const provision of ['verify', 'off'] as const)
      await expect(world.group(topic, 'g', { stream: { provision } })).resolves.toBeDefined();
  });

  test('positions are as safe as their topic, without limits unless one is set', async () => {
    const topic = `made-${topics++}`;
    const memory = { stream: { storage: 'memory' as const } };
    await world.group(topic, 'g', memory);
    const { config } = await world.api.request<Found>(`STREAM.INFO.${topic}_positions`);
    expect(config).toMatchObject({
      storage: 'memory',
      num_replicas: 1,
      subjects: [`$KV.${topic}_positions.>`],
      max_msgs_per_subject: 1,
      max_bytes: -1,
      max_msgs: -1,
      max_age: 0,
      discard: 'new',
      retention: 'limits',
      allow_direct: false,
      deny_delete: false,
      deny_purge: false,
      metadata: { 'aggregate-transport.layout': 'positions-1' },
    });
    await world.group(`${topic}-small`, 'g', { positions: { maxBytes: 8_388_608 } });
    const small = await world.api.request<Found>(`STREAM.INFO.${topic}-small_positions`);
    expect(small.config).toMatchObject({ storage: 'file', max_bytes: 8_388_608 });
  });

  test.each([
    ['8 MiB less one', { positions: { maxBytes: 8_388_607 } }],
    ['none', { positions: { maxBytes: 0 } }],
    ['an unknown option', { positions: { maxByte: 1 } as never }],
  ])('positions with room for %s are refused before a connection is made', async (_what, options) => {
    await expect(world.topic('small', options)).rejects.toMatchObject({ code: 'OPTIONS_INVALID' });
  });

  test.each(['orders_positions', 'orders_parked'])('"%s" is no name of a topic', async (name) => {
    await expect(world.topic(name)).rejects.toMatchObject({ code: 'OPTIONS_INVALID' });
    await expect(world.topic(name)).rejects.toThrow(SAYS_ALL);
  });
});
