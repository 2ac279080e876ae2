import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { jsonCodec } from '#library/message/codec.js';
import type { OpenNatsConnection } from '#library/stream/clients/open-connection.js';
import { type AggregateTransportOptions, DEFAULTS } from '#library/transport/options.js';
import { resolveOptions, type ResolvedTopic } from '#library/transport/resolve-options.js';
import { codeOf, errorOf } from '../message/code-of.js';

/** Options as a caller without a compiler might write them. */
function given(options: unknown): AggregateTransportOptions {
  return options as AggregateTransportOptions;
}

function topicOf(root: object, own: object = {}): ResolvedTopic {
  return resolveOptions(given({ ...root, topics: { orders: own } })).topics.get('orders')!;
}

/** `{ consume: { retry: { attempts: 1 } } }` of `consume.retry.attempts` and 1. */
function nested(path: string, value: unknown): object {
  return path
    .split('.')
    .reverse()
    .reduce<unknown>((inner, key) => ({ [key]: inner }), value) as object;
}

function at(object: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], object);
}

const notCalled = (): never => {
  throw new Error('not called');
};
/** Known as an open connection by its form. */
const openConnection = Object.fromEntries(
  ['closed', 'close', 'publish', 'subscribe', 'flush', 'status', 'getServer', 'isClosed', 'isDraining'].map(
    (name) => [name, notCalled],
  ),
) as unknown as OpenNatsConnection;

describe('defaults', () => {
  test('fill in every option that was left out', () => {
    const resolved = resolveOptions({ topics: { orders: {} } });
    expect(resolved.connection).toEqual({ servers: 'nats://127.0.0.1:4222' });
    expect(resolved.connectionMode).toBe('perTopic');
    expect(resolved.group).toBeUndefined();
    expect(resolved.drainMs).toBe(10_000);
    const { provision, ...stream } = DEFAULTS.stream;
    expect(resolved.topics.get('orders')).toEqual({
      name: 'orders',
      provision,
      stream,
      explicitStream: new Set(),
      publish: DEFAULTS.publish,
      consume: DEFAULTS.consume,
      parked: DEFAULTS.parked,
      positions: DEFAULTS.positions,
      codec: jsonCodec,
    });
  });

  test('are the ones the documentation of the options names', () => {
    const source = readFileSync(
      new URL('../../../libs/aggregate-transport/src/transport/options.ts', import.meta.url),
      'utf8',
    );
    const sections: Record<string, object> = {
      AggregateStreamOptions: DEFAULTS.stream,
      PublishOptions: DEFAULTS.publish,
      ConsumeOptions: DEFAULTS.consume,
      ShutdownOptions: DEFAULTS.shutdown,
      AggregateTransportOptions: DEFAULTS,
    };
    let section: object | undefined;
    let documented: string | undefined;
    const seen: string[] = [];
    for (const line of source.split('\n')) {
      const name = /^export interface (\w+)/.exec(line)?.[1];
      if (name !== undefined) section = sections[name];
      documented = /@default (.+?)(?: \*\/)?$/.exec(line)?.[1] ?? documented;
      const option = /^ {2}(\w+)\??:/.exec(line)?.[1];
      if (option === undefined) continue;
      if (documented !== undefined) {
        const value = (section as Record<string, unknown>)[option];
        const shown = typeof value === 'string' ? `'${value}'` : String(value);
        expect([option, documented.replaceAll('_', '')]).toEqual([option, shown]);
        seen.push(option);
      }
      documented = undefined;
    }
    expect(seen.length).toBeGreaterThan(20);
  });

  test('pass the rules for given options', () => {
    expect(resolveOptions(given({ ...DEFAULTS, topics: {} })).topics.size).toBe(0);
  });

  test('are not changed by what is laid over them', () => {
    const before = JSON.stringify(DEFAULTS);
    topicOf({ consume: { retry: { attempts: 3 } } }, { stream: { replicas: 3 } });
    expect(JSON.stringify(DEFAULTS)).toBe(before);
  });
});

describe('layers: nearest wins', () => {
  test('topic before root before default, option by option', () => {
    const topic = topicOf(
      {
        publish: { maxInFlight: 10, maxPending: 20 },
        consume: { batch: 7, retry: { attempts: 4, factor: 3 } },
        stream: { replicas: 3 },
      },
      { publish: { maxPending: 30 }, consume: { retry: { attempts: 5 } }, stream: { maxBytes: 2_000_000 } },
    );
    expect(topic.publish).toEqual({ ...DEFAULTS.publish, maxInFlight: 10, maxPending: 30 });
    expect(topic.consume).toEqual({
      ...DEFAULTS.consume,
      batch: 7,
      retry: { ...DEFAULTS.consume.retry, attempts: 5, factor: 3 },
    });
    expect(topic.stream).toMatchObject({ replicas: 3, maxBytes: 2_000_000, discard: 'old' });
    expect(topic.explicitStream).toEqual(new Set(['replicas', 'maxBytes']));
  });

  test('an undefined value covers nothing', () => {
    const topic = topicOf(
      { consume: { batch: 7 }, group: undefined, connectionMode: undefined },
      { consume: { batch: undefined, retry: undefined }, stream: { replicas: undefined } },
    );
    expect(topic.consume).toEqual({ ...DEFAULTS.consume, batch: 7 });
    expect(topic.explicitStream.size).toBe(0);
  });

  test("topics do not see each other's options", () => {
    const { topics } = resolveOptions(given({ topics: { a: { consume: { batch: 1 } }, b: {} } }));
    expect([topics.get('a')!.consume.batch, topics.get('b')!.consume.batch]).toEqual([1, 500]);
  });

  test('provision is no option of the stream itself', () => {
    const topic = topicOf({ stream: { provision: 'verify' } }, { stream: { provision: 'off' } });
    expect(topic.provision).toBe('off');
    expect(topic.stream).not.toHaveProperty('provision');
    expect(topic.explicitStream.size).toBe(0);
  });

  test("a codec of one's own is taken, the topic's before the root's", () => {
    const codec = { encode: () => new Uint8Array(), decode: () => undefined };
    expect(topicOf({ codec }).codec).toBe(codec);
    expect(topicOf({ codec: jsonCodec }, { codec }).codec).toBe(codec);
  });

  test("the client's own options reach it, with the servers of either place", () => {
    const connectionOf = (given: Omit<AggregateTransportOptions, 'topics'>): unknown =>
      resolveOptions({ ...given, topics: {} }).connection;
    const servers = ['a:1', 'b:2'];
    expect(connectionOf({ connection: { user: 'u', servers: 'b:2' } })).toEqual({
      user: 'u',
      servers: 'b:2',
    });
    expect(connectionOf({ servers, connection: { user: 'u' } })).toEqual({ user: 'u', servers });
    expect(connectionOf({ servers })).toEqual({ servers });
  });

  test.each([
    ['options', { servers: 'b:2' }],
    ['a function', () => Promise.reject(new Error('not called'))],
    ['an open connection', openConnection],
  ])('servers in both places are refused: beside %s', (_name, connection) => {
    expect(() => resolveOptions({ servers: 'a:1', connection, topics: {} })).toThrow(
      /servers in one place.*remove option servers/,
    );
  });
});

describe('where JetStream is', () => {
  const placeOf = (jetstream: AggregateTransportOptions['jetstream']) =>
    resolveOptions({ ...(jetstream === undefined ? {} : { jetstream }), topics: {} }).jetStream;

  test("is the user's own account, also where its prefix is written down", () => {
    expect(placeOf(undefined)).toMatchObject({ api: '$JS.API.', keys: '', option: undefined });
    expect(placeOf({ apiPrefix: '$JS.API' })).toEqual(placeOf(undefined));
  });

  test('a domain, where no keys are heard, also if it is written as a prefix', () => {
    const hub = { api: '$JS.hub.API.', keys: '$JS.hub.API.', domain: 'hub', canHearKeys: false };
    expect(placeOf({ domain: 'hub' })).toEqual({ ...hub, option: 'domain' });
    expect(placeOf({ apiPrefix: '$JS.hub.API' })).toEqual({ ...hub, option: 'apiPrefix' });
  });

  test('another account', () => {
    const acme = { api: 'JS.acme.API.', keys: 'JS.acme.API.', domain: undefined, canHearKeys: true };
    expect(placeOf({ apiPrefix: 'JS.acme.API' })).toEqual({ ...acme, option: 'apiPrefix' });
  });
});

describe('an unknown option is refused, never ignored', () => {
  test.each([
    ['', { partitions: 2 }],
    ['', { topic: {} }],
    ['stream', { stream: { replica: 3 } }],
    ['publish', { publish: { maxinflight: 3 } }],
    ['consume', { consume: { retries: 3 } }],
    ['consume.retry', { consume: { retry: { attempt: 3 } } }],
    ['consume.breaker', { consume: { breaker: { limit: 3 } } }],
    ['parked', { parked: { maxMessages: 3 } }],
    ['hooks', { hooks: { onPark: () => undefined } }],
    ['shutdown', { shutdown: { drain: 3 } }],
  ])('in %p of the root: %p', (path, options) => {
    const error = errorOf(() => resolveOptions(given({ ...options, topics: {} })));
    expect(error.code).toBe('OPTIONS_INVALID');
    expect(error.message).toContain(path);
  });

  test.each([
    ['topics.orders', { group: 'x' }],
    ['topics.orders', { servers: 'x' }],
    ['topics.orders', { shutdown: {} }],
    ['topics.orders', { hooks: {} }],
    ['topics.orders.stream', { stream: { name: 'x' } }],
    ['topics.orders.publish', { publish: { x: 1 } }],
    ['topics.orders.consume', { consume: { x: undefined } }],
    ['topics.orders.consume.retry', { consume: { retry: { x: 1 } } }],
  ])('in %p: %p', (path, options) => {
    const error = errorOf(() => topicOf({}, options));
    expect(error.code).toBe('OPTIONS_INVALID');
    expect(error.message).toContain(path);
  });
});

describe('ranges', () => {
  const ranges: [path: string, min: number, max: number | undefined][] = [
    ['stream.maxBytes', 1_048_576, undefined],
    ['stream.maxMessages', 1, undefined],
    ['stream.maxAgeMs', 0, undefined],
    ['stream.replicas', 1, 5],
    ['stream.duplicateWindowMs', 16_000, undefined],
    ['publish.maxInFlight', 1, 8_000],
    ['publish.maxPending', 1, undefined],
    ['publish.maxBlocked', 0, undefined],
    ['publish.giveUpAfterMs', 1_000, undefined],
    ['publish.maxBatch', 1, 1_000],
    ['publish.maxOpenBatches', 1, 50],
    ['consume.batch', 1, 10_000],
    ['consume.pullExpiresMs', 100, 60_000],
    ['consume.commitEveryMs', 0, 10_000],
    ['consume.maxAckPending', 1, 100_000],
    ['consume.maxWaiting', 1, 100_000],
    ['consume.maxBufferedBytes', 65_536, undefined],
    ['consume.concurrency', 1, 100_000],
    ['consume.leaseTtlMs', 1_000, 60_000],
    ['consume.timeoutMs', 1, undefined],
    ['consume.retry.attempts', 1, 1_000_000],
    ['consume.retry.firstDelayMs', 1, undefined],
    ['consume.retry.maxDelayMs', 1, undefined],
    ['consume.breaker.parked', 1, 1_000_000],
    ['consume.breaker.withinMs', 1_000, 3_600_000],
    ['consume.breaker.probeEveryMs', 100, 3_600_000],
    ['parked.maxBytes', 1_048_576, undefined],
    ['parked.maxLetters', 1, undefined],
  ];
  // A window has to be longer than the give-up time; these keep the other end out of the way.
  const around = (path: string): object =>
    path === 'stream.duplicateWindowMs'
      ? { publish: { giveUpAfterMs: 1_000 } }
      : path === 'publish.giveUpAfterMs'
        ? { stream: { duplicateWindowMs: 10_000_000 } }
        : {};

  test.each(ranges)('%s is from %i to %p, a whole number', (path, min, max) => {
    const use = (value: unknown): ResolvedTopic => topicOf(around(path), nested(path, value));
    const valid = max === undefined ? [min, min + 1] : [min, min + 1, max];
    for (const value of valid) expect(at(use(value), path)).toBe(value);
    const bad = [min - 1, min + 0.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null, true, {}];
    for (const value of max === undefined ? bad : [...bad, max + 1]) {
      const error = errorOf(() => use(value));
      expect(error.code).toBe('OPTIONS_INVALID');
      expect(error.message).toContain(`topics.orders.${path}`);
    }
    expect(codeOf(() => resolveOptions(given({ ...nested(path, min - 1), topics: {} })))).toBe(
      'OPTIONS_INVALID',
    );
  });

  test('every number among the defaults has its range here', () => {
    const numbers = (object: object, path: string): string[] =>
      Object.entries(object).flatMap(([key, value]: [string, unknown]) => {
        const here = path === '' ? key : `${path}.${key}`;
        return typeof value === 'object' && value !== null
          ? numbers(value, here)
          : typeof value === 'number'
            ? [here]
            : [];
      });
    const elsewhere = [
      'consume.partitions',
      'consume.retry.factor',
      'consume.retry.jitter',
      'consume.breaker.failedShare',
      'positions.maxBytes',
      'shutdown.drainMs',
    ];
    expect(new Set(numbers(DEFAULTS, ''))).toEqual(new Set([...ranges.map(([path]) => path), ...elsewhere]));
  });

  test('a factor is from 1 to 100, a jitter and a share from 0 to 1, fractions allowed', () => {
    for (const [path, valid, invalid] of [
      ['consume.retry.factor', [1, 1.5, 100], [0.9, 101, Number.NaN, '2']],
      ['consume.retry.jitter', [0, 0.3, 1], [-0.1, 1.1, Number.NaN, '0.2']],
      ['consume.breaker.failedShare', [0, 0.3, 1], [-0.1, 1.1, Number.NaN, '0.2']],
    ] as const) {
      for (const value of valid) expect(at(topicOf({}, nested(path, value)), path)).toBe(value);
      for (const value of invalid)
        expect(codeOf(() => topicOf({}, nested(path, value)))).toBe('OPTIONS_INVALID');
    }
  });

  test('partitions are a power of two from 1 to 256', () => {
    for (const count of [1, 2, 4, 8, 16, 32, 64, 128, 256]) {
      expect(topicOf({}, { consume: { partitions: count } }).consume.partitions).toBe(count);
    }
    for (const count of [0, -1, 3, 6, 12, 255, 257, 512, 2.5, Number.NaN, '4', null]) {
      expect(codeOf(() => topicOf({}, { consume: { partitions: count } }))).toBe('OPTIONS_INVALID');
    }
  });

  test('room for positions is a whole number from 8 MiB, or -1 for no limit', () => {
    for (const maxBytes of [-1, 8_388_608, 8_388_609])
      expect(topicOf({}, { positions: { maxBytes } }).positions.maxBytes).toBe(maxBytes);
    for (const maxBytes of [0, 8_388_607, 8_388_608.5, -2, '8388608', null]) {
      const error = errorOf(() => topicOf({}, { positions: { maxBytes } }));
      expect(error.code).toBe('OPTIONS_INVALID');
      expect(error.message).toContain('topics.orders.positions.maxBytes');
    }
  });

  test('an option of acks is refused, and the text says what took its place', () => {
    for (const value of [1_000, 30_000, null]) {
      const error = errorOf(() => topicOf({}, { consume: { ackWaitMs: value } }));
      expect(error.code).toBe('OPTIONS_INVALID');
      expect(error.message).toMatch(
        /nothing is delivered again because time has passed.*consume\.commitEveryMs/,
      );
    }
  });

  test('drainMs is a whole number from 0', () => {
    expect(resolveOptions({ shutdown: { drainMs: 0 }, topics: {} }).drainMs).toBe(0);
    for (const drainMs of [-1, 1.5, '1', Number.POSITIVE_INFINITY]) {
      expect(codeOf(() => resolveOptions(given({ shutdown: { drainMs }, topics: {} })))).toBe(
        'OPTIONS_INVALID',
      );
    }
  });

  test.each([['shutdown.drainMs'], ['consume.retry.maxDelayMs'], ['consume.retry.firstDelayMs']])(
    '%s is no longer than a timer can wait: one of more than 2 147 483 647 ms fires at once',
    (path) => {
      const tooLong = nested(path, 2_147_483_648);
      expect(codeOf(() => resolveOptions(given({ ...tooLong, topics: { orders: {} } })))).toBe(
        'OPTIONS_INVALID',
      );
    },
  );
});

describe('choices', () => {
  test.each([
    ['stream.provision', ['ensure', 'verify', 'off']],
    ['stream.storage', ['file', 'memory']],
    ['stream.discard', ['old', 'new']],
    ['consume.onExhausted', ['park', 'skip', 'block', 'halt']],
    ['consume.onUnhandledType', ['ignore', 'park', 'block']],
    ['consume.directCalls', ['auto', 'never']],
  ])('%s is one of %p', (path, choices) => {
    const resolvedPath = path === 'stream.provision' ? 'provision' : path;
    for (const choice of choices) expect(at(topicOf({}, nested(path, choice)), resolvedPath)).toBe(choice);
    for (const choice of ['other', '', 5, null, choices[0]!.toUpperCase()]) {
      expect(codeOf(() => topicOf({}, nested(path, choice)))).toBe('OPTIONS_INVALID');
    }
  });

  test.each([
    ['consume.classify', topicOf],
    ['consume.around', topicOf],
    ['hooks.onParked', undefined],
    ['hooks.onUnparked', undefined],
    ['hooks.onStuck', undefined],
  ])('%s is a function', (path, resolve) => {
    const use = (value: unknown): unknown =>
      resolve === undefined
        ? resolveOptions(given({ ...nested(path, value), topics: {} }))
        : resolve(nested(path, value));
    const call = (): undefined => undefined;
    const resolved = use(call);
    expect(at(resolved, path)).toBe(call);
    for (const value of ['park', null, {}, 5]) expect(codeOf(() => use(value))).toBe('OPTIONS_INVALID');
  });

  test('startAt is all, new, a sequence from 1 or a date', () => {
    for (const startAt of ['all', 'new', { sequence: 1 }, { time: new Date(0) }]) {
      expect(topicOf({}, { consume: { startAt } }).consume.startAt).toEqual(startAt);
    }
    for (const startAt of [
      'first',
      {},
      { sequence: 0 },
      { sequence: '1' },
      { time: '2026-01-01' },
      { time: new Date('x') },
      null,
      5,
    ]) {
      expect(codeOf(() => topicOf({}, { consume: { startAt } }))).toBe('OPTIONS_INVALID');
    }
  });

  test('connectionMode, servers, connection, codec and group have their forms', () => {
    for (const options of [
      { connectionMode: 'single' },
      { servers: [] },
      { servers: '' },
      { servers: ['a', ''] },
      { servers: 5 },
      { connection: 'nats://x' },
      { connection: null },
      { jetstream: 'hub' },
      { jetstream: { domain: 5 } },
      { jetstream: { domain: 'a.b' } },
      { jetstream: { domain: '' } },
      { jetstream: { apiPrefix: 'JS.acme.API.>' } },
      { jetstream: { domain: 'hub', apiPrefix: 'JS.acme.API' } },
      { codec: {} },
      { codec: { encode: () => undefined } },
      { codec: null },
      { group: 5 },
      { group: '' },
      { group: 'a.b' },
      { group: 'x'.repeat(65) },
      { stream: [] },
      { stream: null },
      { consume: 'x' },
      { consume: { retry: 5 } },
    ]) {
      expect([options, codeOf(() => resolveOptions(given({ ...options, topics: { orders: {} } })))]).toEqual([
        options,
        'OPTIONS_INVALID',
      ]);
    }
  });
});

describe('topics', () => {
  test.each([[undefined], [null], ['orders'], [[]], [['orders']]])('are a map, not %p', (topics) => {
    expect(codeOf(() => resolveOptions(given({ topics })))).toBe('OPTIONS_INVALID');
  });

  test.each([['a.b'], ['größe'], ['x y'], [''], ['x'.repeat(65)], ['>']])('are not named %p', (name) => {
    expect(codeOf(() => resolveOptions(given({ topics: { [name]: {} } })))).toBe('OPTIONS_INVALID');
  });

  test.each([['orders_positions'], ['orders_parked'], ['_positions'], ['_parked']])(
    'are not named %p: another stream of a topic has such a name',
    (name) => {
      expect(codeOf(() => resolveOptions(given({ topics: { [name]: {} } })))).toBe('OPTIONS_INVALID');
    },
  );

  test.each([[null], [undefined], [true], ['x'], [[]]])('have options, not %p', (options) => {
    expect(codeOf(() => resolveOptions(given({ topics: { orders: options } })))).toBe('OPTIONS_INVALID');
  });

  test('are asked for when there is nothing at all', () => {
    for (const options of [undefined, null, 'x', []]) {
      expect(codeOf(() => resolveOptions(given(options)))).toBe('OPTIONS_INVALID');
    }
  });
});

describe('giving up and the duplicate window', () => {
  test('giving up comes at least 15 s before the window ends, in any layer the two are set', () => {
    expect(topicOf({ stream: { duplicateWindowMs: 75_000 } }).publish.giveUpAfterMs).toBe(60_000);
    const error = errorOf(() => topicOf({ stream: { duplicateWindowMs: 74_999 } }));
    expect(error.code).toBe('OPTIONS_INVALID');
    expect(error.message).toContain('59999');
    expect(
      codeOf(() =>
        topicOf({ stream: { duplicateWindowMs: 30_000 } }, { publish: { giveUpAfterMs: 15_001 } }),
      ),
    ).toBe('OPTIONS_INVALID');
    expect(
      topicOf({ stream: { duplicateWindowMs: 30_000 } }, { publish: { giveUpAfterMs: 15_000 } }).name,
    ).toBe('orders');
  });
});

test('an error names what was expected and found, but no text that may be a secret beyond the value itself', () => {
  const { message } = errorOf(() => topicOf({}, { consume: { batch: 0 } }));
  expect(message).toBe(
    'expected option topics.orders.consume.batch to be a whole number from 1 to 10000, found 0; correct it',
  );
});

test('resolved options cannot be changed from outside', () => {
  expect(Object.isFrozen(resolveOptions({ topics: {} }))).toBe(true);
});
