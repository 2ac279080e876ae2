import { describe, expect, test } from '@jest/globals';
import { AggregateTransportError } from 'nestjs-aggregate-transport';
import { AggregatePostgresError, type Transaction } from 'nestjs-aggregate-transport-postgres';
import { SchemaNames } from '#postgres/schema/schema-names.js';
import { fixtureForEach, postgresForAll, type PostgresFixture } from '../../support/postgres.js';

const server = postgresForAll();
const fixture = fixtureForEach(server, 3);

const GOOD = { aggregateId: 'a', type: 'T', payload: 1 };

/** Adds within a transaction that commits if the call resolves; gives the call's error. */
async function refusal(given: PostgresFixture, events: unknown, outbox = given.outbox()): Promise<unknown> {
  const client = await given.client();
  await client.query('begin');
  try {
    await outbox.add(client, events as typeof GOOD);
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await client.query('commit');
  }
}

describe('an event that could not be published is refused with the code of publish, and nothing is written', () => {
  const circle: Record<string, unknown> = {};
  circle['self'] = circle;

  test.each<[string, string, unknown]>([
    ['AGGREGATE_ID_INVALID', 'an empty id', { ...GOOD, aggregateId: '' }],
    ['AGGREGATE_ID_INVALID', 'an id of 300 bytes', { ...GOOD, aggregateId: 'x'.repeat(300) }],
    ['EVENT_INVALID', 'no type', { ...GOOD, type: ' ' }],
    ['EVENT_INVALID', 'no payload', { ...GOOD, payload: undefined }],
    ['EVENT_INVALID', 'a field that no event has', { ...GOOD, key: 1 }],
    ['EVENT_INVALID', 'null', null],
    ['EVENT_INVALID', 'a number', 1],
    ['EVENT_INVALID', 'a wrong event id', { ...GOOD, eventId: 'a b' }],
    ['PAYLOAD_NOT_SERIALIZABLE', 'a bigint', { ...GOOD, payload: { n: 1n } }],
    ['PAYLOAD_NOT_SERIALIZABLE', 'a Map', { ...GOOD, payload: new Map([[1, 1]]) }],
    ['PAYLOAD_NOT_SERIALIZABLE', 'a circle', { ...GOOD, payload: circle }],
    ['EVENT_TOO_LARGE', 'a payload of 1 MiB', { ...GOOD, payload: 'x'.repeat(1_048_576) }],
    ['HEADER_RESERVED', 'a header of the server', { ...GOOD, headers: { 'Nats-Msg-Id': 'x' } }],
    ['OUTBOX_EVENT_INVALID', 'an expected sequence', { ...GOOD, expectedSequence: 3 }],
  ])('%s: %s', async (code, _what, event) => {
    const given = await fixture();
    const error = await refusal(given, event);
    expect(error).toMatchObject({ code });
    expect(error instanceof AggregateTransportError || error instanceof AggregatePostgresError).toBe(true);
    // One bad event refuses the whole list, wherever it stands, and the transaction can continue.
    expect(await refusal(given, [GOOD, event, GOOD])).toMatchObject({ code });
    expect(await refusal(given, GOOD)).toBeUndefined();
    expect(await given.rows()).toHaveLength(1);
  });

  test('OUTBOX_LIST_TOO_LONG: 1 001 events', async () => {
    const given = await fixture();
    const error = await refusal(
      given,
      Array.from({ length: 1_001 }, () => GOOD),
    );
    expect(error).toMatchObject({ code: 'OUTBOX_LIST_TOO_LONG' });
    expect(await given.rows()).toEqual([]);
  });

  test('an empty list adds nothing, and asks the database nothing', async () => {
    const given = await fixture();
    const never = (): Promise<never> => Promise.reject(new Error('asked'));
    expect(await given.outbox().add(never, [])).toEqual({ topic: 'orders', eventIds: [] });
  });
});

describe('any aggregate id that can be published can be added', () => {
  test.each(['order-7', 'a.b c*>', '日本', 'zero\u0000byte', '~', 'x'.repeat(256)])(
    '%j',
    async (aggregateId) => {
      const given = await fixture();
      expect(await refusal(given, { ...GOOD, aggregateId })).toBeUndefined();
      expect(JSON.parse((await given.rows())[0]!.event!)).toMatchObject({ aggregate_id: aggregateId });
    },
  );
});

test('an event of a topic with a codec of its own is kept in the bytes of that codec', async () => {
  const given = await fixture();
  const bytes = Buffer.from([0, 1, 2, 255]);
  const outbox = given.outbox({}, { encode: () => bytes, decode: () => undefined });
  expect(await refusal(given, { ...GOOD, payload: 1n }, outbox)).toBeUndefined();
  expect(await given.rows()).toMatchObject([{ event: null, body: bytes }]);
});

describe('what is no transaction is refused, and nothing is written', () => {
  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a text', 'begin'],
    ['an empty object', {}],
    ['a list', []],
  ])('TRANSACTION_UNKNOWN: %s', async (_what, transaction) => {
    const given = await fixture();
    const added = given.outbox().add(transaction as Transaction, GOOD);
    await expect(added).rejects.toMatchObject({ code: 'TRANSACTION_UNKNOWN' });
  });

  test('TRANSACTION_UNKNOWN: a function that answers no rows', async () => {
    const given = await fixture();
    const added = given.outbox().add(() => Promise.resolve(undefined), GOOD);
    await expect(added).rejects.toMatchObject({ code: 'TRANSACTION_UNKNOWN' });
  });

  test('TRANSACTION_MISSING: a client before begin, and after commit', async () => {
    const given = await fixture();
    const client = await given.client();
    const outbox = given.outbox();
    await expect(outbox.add(client, GOOD)).rejects.toMatchObject({ code: 'TRANSACTION_MISSING' });
    await client.query('begin');
    await client.query('commit');
    await expect(outbox.add(client, GOOD)).rejects.toMatchObject({ code: 'TRANSACTION_MISSING' });
    expect(await given.rows()).toEqual([]);
    const { rows } = await given.pool.query(`select from pg_locks where locktype = 'advisory'`);
    expect(rows).toEqual([]);
  });

  test('TRANSACTION_MISSING: a client whose commit is on its way', async () => {
    const given = await fixture();
    const client = await given.client();
    await client.query('begin');
    const committed = client.query('commit');
    await expect(given.outbox().add(client, GOOD)).rejects.toMatchObject({ code: 'TRANSACTION_MISSING' });
    await committed;
    expect(await given.rows()).toEqual([]);
  });

  test('TRANSACTION_MISSING: a pool of one connection', async () => {
    const given = await fixture();
    const added = given.outbox().add(given.pool, GOOD);
    await expect(added).rejects.toMatchObject({ code: 'TRANSACTION_MISSING' });
    expect(await given.rows()).toEqual([]);
  });

  test('TRANSACTION_ABORTED: with the error of the server as its cause', async () => {
    const given = await fixture();
    const client = await given.client();
    await client.query('begin');
    await client.query('select 1 / 0').catch(() => undefined);
    await expect(given.outbox().add(client, GOOD)).rejects.toMatchObject({
      code: 'TRANSACTION_ABORTED',
      cause: { code: '25P02' },
    });
  });

  test('after a rollback to a savepoint nothing added since stays, and the transaction can add again', async () => {
    const given = await fixture();
    const client = await given.client();
    const outbox = given.outbox();
    await client.query('begin');
    await outbox.add(client, { ...GOOD, type: 'Kept' });
    await client.query('savepoint s');
    await outbox.add(client, { ...GOOD, type: 'Dropped' });
    await client.query('rollback to s');
    await outbox.add(client, { ...GOOD, type: 'KeptToo' });
    await client.query('commit');
    const types = (await given.rows()).map(
      ({ event }) => (JSON.parse(event!) as { event_type: string }).event_type,
    );
    expect(types).toEqual(['Kept', 'KeptToo']);
  });
});

describe('a database that is not as it must be is named', () => {
  test('SCHEMA_MISSING: no table', async () => {
    const given = await fixture();
    const outbox = given.outbox({ names: new SchemaNames({ schema: 'not there' }) });
    expect(await refusal(given, GOOD, outbox)).toMatchObject({
      code: 'SCHEMA_MISSING',
      message: expect.stringContaining('postgres migrate'),
    });
  });

  test('SCHEMA_MISMATCH: a table of the name that is not ours', async () => {
    const given = await fixture();
    await given.pool.query(`drop table ${given.names.of('outbox')}`);
    await given.pool.query(`create table ${given.names.of('outbox')} (id int)`);
    expect(await refusal(given, GOOD)).toMatchObject({ code: 'SCHEMA_MISMATCH' });
  });

  test('RIGHTS_MISSING: a role that may not insert', async () => {
    const given = await fixture();
    const role = `reader_${given.names.schema}`;
    await given.pool.query(`create role ${role}`);
    await given.pool.query(`grant usage on schema ${given.names.schema} to ${role}`);
    const client = await given.client();
    await client.query('begin');
    await client.query(`set local role ${role}`);
    await expect(given.outbox().add(client, GOOD)).rejects.toMatchObject({ code: 'RIGHTS_MISSING' });
    await client.query('rollback');
    await given.pool.query(`drop owned by ${role}; drop role ${role}`);
  });

  test('STATEMENT_FAILED: a connection that is closed', async () => {
    const given = await fixture();
    const client = await given.client();
    await client.query('begin');
    await client.end();
    const error = await given
      .outbox()
      .add(client, GOOD)
      .catch((found: unknown) => found);
    expect(error).toMatchObject({ code: 'STATEMENT_FAILED', cause: expect.any(Error) });
  });
});
