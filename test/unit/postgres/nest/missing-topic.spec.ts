import { describe, expect, test } from '@jest/globals';
import { AggregatePostgresModule, getOutboxToken, InjectOutbox } from 'nestjs-aggregate-transport-postgres';

const pool = { connect: () => undefined, query: () => undefined } as never;

/** Each throws while decorators run, so before an application starts. */
const PLACES: [string, (topic: never) => unknown][] = [
  ['@InjectOutbox', (topic) => InjectOutbox(topic)],
  ['getOutboxToken', (topic) => getOutboxToken(topic)],
  ['outbox.topics', (topic) => AggregatePostgresModule.forRoot({ pool, outbox: { topics: [topic] } })],
  [
    'outboxTopics',
    (topic) => AggregatePostgresModule.forRootAsync({ outboxTopics: [topic], useFactory: () => ({ pool }) }),
  ],
];
const VALUES: unknown[] = [undefined, null, 5, {}, ''];

describe('what is no topic', () => {
  test.each(PLACES.flatMap(([place, call]) => VALUES.map((value) => ({ place, value, call }))))(
    'is named with its place, and an undefined one as a circular import: $place, $value',
    ({ place, value, call }) => {
      let error: Error | undefined;
      try {
        call(value as never);
      } catch (found) {
        error = found as Error;
      }
      expect(error).toMatchObject({ code: 'POSTGRES_OPTIONS_INVALID' });
      expect(error!.message).toContain(`expected ${place} to be given a topic or its name`);
      expect(error!.message.includes('circular import?')).toBe(value === undefined);
    },
  );
});
