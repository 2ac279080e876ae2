import { OWN_JETSTREAM } from '#library/stream/connection/jetstream-place.js';
import { expect, test } from '@jest/globals';
import type { Connection } from '#library/stream/connection/connection.js';
import { JetStreamApi } from '#library/stream/api/jetstream-api.js';
import { groupsWithParked } from '#library/stream/wires/parked-wire.js';
import { subjectsOf } from '#library/stream/api/subjects.js';

/** A server that tells of its subjects a few at a time, at the connection's edge. */
function apiOver(subjects: readonly string[], pageSize: number, total = subjects.length) {
  const offsets: number[] = [];
  const request = (_subject: string, payload: string) => {
    const { offset } = JSON.parse(payload) as { offset: number };
    offsets.push(offset);
    const page = subjects.slice(offset, offset + pageSize).map((subject) => [subject, 1]);
    const answer = { total, state: { subjects: Object.fromEntries(page) as Record<string, number> } };
    return Promise.resolve({ json: () => answer });
  };
  return {
    api: new JetStreamApi({
      nats: { request },
      noteAnswer: () => undefined,
      jetStream: OWN_JETSTREAM,
    } as unknown as Connection),
    offsets,
  };
}

test('subjects are read page by page, to the last', async () => {
  const subjects = Array.from({ length: 25 }, (_, n) => `a.${n}`);
  const { api, offsets } = apiOver(subjects, 10);
  expect([...(await subjectsOf(api, 's', '>')).keys()]).toEqual(subjects);
  expect(offsets).toEqual([0, 10, 20]);
});

test('a server that promises more than it gives, or never comes to an end, is not asked for ever', async () => {
  expect(await subjectsOf(apiOver([], 10, 1_000).api, 's', '>')).toEqual(new Map());
  const endless = apiOver(
    Array.from({ length: 300 }, (_, n) => `a.${n}`),
    1,
    Number.MAX_SAFE_INTEGER,
  );
  expect((await subjectsOf(endless.api, 's', '>')).size).toBe(100);
  expect(endless.offsets).toHaveLength(100);
});

test('groups whose parked aggregates stand on a later page are found, each once', async () => {
  const subject = (topic: string, group: string, n: number) =>
    `$KV.aggregate-transport-parked.${topic}.${group}.0.0.0.0.0.0.0.0.order-${n}`;
  const subjects = [
    ...Array.from({ length: 12 }, (_, n) => subject('orders', 'billing', n)),
    subject('orders', 'mail', 1),
    subject('zebra', 'billing', 1),
  ];
  expect(await groupsWithParked(apiOver(subjects, 5).api)).toEqual([
    { topic: 'orders', group: 'billing' },
    { topic: 'orders', group: 'mail' },
    { topic: 'zebra', group: 'billing' },
  ]);
});
