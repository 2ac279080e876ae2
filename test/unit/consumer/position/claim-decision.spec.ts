import { describe, expect, test } from '@jest/globals';
import {
  type ClaimDecision,
  type ClaimFacts,
  decideClaim,
} from '#library/consumer/position/claim-decision.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { CREATED, recordOf } from './position-fixture.js';

const GROUP: ClaimFacts['group'] = {
  start: { sequence: 7, created: CREATED, epoch: 0 },
  hasRecords: false,
  run: 2,
};

function decide(facts: Partial<ClaimFacts>): ClaimDecision {
  return decideClaim({
    owner: 'me',
    epoch: 5,
    found: undefined,
    wasDeleted: false,
    wasClaimed: false,
    group: GROUP,
    created: CREATED,
    isRestored: false,
    bound: 10,
    ...facts,
  });
}

function claimOf(facts: Partial<ClaimFacts>): PositionRecord {
  const decision = decide(facts);
  if (decision.kind !== 'claim') throw new Error(`expected a claim, found ${JSON.stringify(decision)}`);
  return decision.record;
}

describe('a claim without a record', () => {
  test('begins at the start of the group, in its run', () => {
    expect(decide({})).toMatchObject({
      kind: 'claim',
      begins: 'first start',
      record: {
        v: 1,
        epoch: 5,
        owner: 'me',
        write: 1,
        high: 7,
        unsettled: '',
        run: 2,
        deaths: 0,
        window: 10,
      },
    });
    expect(claimOf({})).not.toHaveProperty('replayUntil');
  });

  test('carries the end of the replay after a reset', () => {
    expect(claimOf({ group: { ...GROUP, replayUntil: 90 } }).replayUntil).toBe(90);
  });

  test('begins at the first event, in another run, if the stream is not the one of the start', () => {
    expect(decide({ created: 'later' })).toMatchObject({
      begins: 'stream made again',
      record: { created: 'later', high: 0, run: 3 },
    });
  });

  test.each([
    ['the lease says that one was claimed', { wasClaimed: true }],
    ['its key was deleted', { wasDeleted: true }],
    ['its layout was made with records', { group: { ...GROUP, hasRecords: true } }],
  ])('halts and names the remedy if %s', (_why, facts) => {
    const decision = decide(facts);
    expect(decision.kind).toBe('halt');
    expect((decision as { reason: string }).reason).toContain('group reset');
  });

  test('asks for an epoch above those before the last reset', () => {
    const group = { ...GROUP, start: { ...GROUP.start, epoch: 5 } };
    expect(decide({ group })).toEqual({ kind: 'raise', above: 5 });
    expect(decide({ group, epoch: 6 }).kind).toBe('claim');
  });
});

describe('a claim of a record', () => {
  const found = recordOf({
    epoch: 4,
    owner: 'other',
    write: 9,
    high: 30,
    highTime: '1',
    unsettled: '3 1*2',
    window: 10,
  });

  test('keeps what it says of events, under another epoch and owner', () => {
    const record = claimOf({ found });
    expect(record).toEqual({ ...found, epoch: 5, owner: 'me', write: 1, deaths: 1 });
    expect(decide({ found })).not.toHaveProperty('begins');
  });

  test.each([
    ['of another owner that did not end with a last commit: one more death', {}, 3],
    ['of another owner that came to rest: none', { rest: true as const }, 2],
    ['of its own: none', { owner: 'me' }, 2],
    ['that a change of layout made: none', { owner: '', write: 0 }, 2],
  ])('%s', (_what, fields, deaths) => {
    const record = claimOf({ found: { ...found, deaths: 2, ...fields } });
    expect(record.deaths).toBe(deaths);
    expect(record).not.toHaveProperty('rest');
  });

  test.each([
    ['the bound of its owner if that is the largest', { window: 4, unsettled: '1' }, 10],
    ['the inherited window if that is the largest', { window: 400, unsettled: '1' }, 400],
    ['the number of unsettled events if that is the largest', { window: 4, unsettled: '1*k' }, 20],
    ['nothing inherited after a rest', { window: 400, unsettled: '1', rest: true as const }, 10],
    ['still every unsettled event after a rest', { window: 4, unsettled: '1*k', rest: true as const }, 20],
  ])('has as its window %s', (_what, fields, window) => {
    expect(claimOf({ found: { ...found, ...fields } }).window).toBe(window);
  });

  test('is continued, in its run, in a stream that was restored from a backup under a new time of creation', () => {
    const continued = decide({ found, created: 'later', isRestored: true });
    const { kind, record, unsettled } = decide({ found }) as Extract<ClaimDecision, { kind: 'claim' }>;
    const begins = 'stream restored';
    expect(continued).toEqual({ kind, record: { ...record, created: 'later' }, unsettled, begins });
  });

  test('keeps the mark of a drain, an origin and the end of a replay', () => {
    const marks = {
      drained: { change: 3 },
      origin: { partitions: 2, sources: [{ partition: 0, high: 9, unsettled: '' }] },
      replayUntil: 12,
    };
    expect(claimOf({ found: { ...found, ...marks } })).toMatchObject(marks);
  });

  test.each([
    ['a later epoch', { epoch: 6 }, 6],
    ['its own epoch, written by another owner', { epoch: 5 }, 5],
    ['a later epoch of its own name', { epoch: 6, owner: 'me' }, 6],
    ['its own epoch, made by a change of layout: fencing tokens grow', { epoch: 5, owner: '', write: 0 }, 5],
  ])('asks for a higher epoch if it is of %s', (_what, fields, above) => {
    expect(decide({ found: { ...found, ...fields } })).toEqual({ kind: 'raise', above });
  });

  test('begins at the first event in another run if the stream was made again, and keeps the mark of a drain', () => {
    const decision = decide({ found: { ...found, run: 6, drained: { change: 3 } }, created: 'later' });
    expect(decision).toMatchObject({
      kind: 'claim',
      begins: 'stream made again',
      record: {
        created: 'later',
        high: 0,
        highTime: '',
        unsettled: '',
        run: 7,
        drained: { change: 3 },
        starts: {},
      },
    });
    expect(claimOf({ found, created: 'later' }).run).toBe(3);
  });

  test.each([2, 0, undefined])('halts before anything else if its format is %s', (v) => {
    const decision = decide({ found: { ...found, v: v as 1, epoch: 99, created: 'later' } });
    expect(decision.kind).toBe('halt');
    expect((decision as { reason: string }).reason).toContain(`format ${v}`);
  });
});
