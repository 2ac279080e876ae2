import { expect, test } from '@jest/globals';
import { ChainedPublisher } from '#library/nest/publishing/chained-publisher.js';
import { encodeHeaders, messageIdOf } from '#library/message/headers.js';
import { subjectOf } from '#library/message/subject.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryStream } from '#library/testing/memory/memory-stream.js';

const TOPIC = 'orders';
const never = new AbortController().signal;

/** A stream in memory, and what is asked of it. */
function fixture(...ids: string[]) {
  const stream = new MemoryStream(new ManualClock(), 120_000);
  const asked: string[] = [];
  let between = (): void => undefined;
  const append = (id: string): void => {
    const [token = ''] = id.split(':');
    const messageId = messageIdOf(token, id);
    const headers = encodeHeaders(messageId, undefined, undefined);
    const subject = subjectOf(TOPIC, token);
    stream.append({
      token,
      subject,
      messageId,
      headers,
      body: new Uint8Array(),
      expectedSequence: undefined,
    });
  };
  for (const id of ids) append(id);
  const wire = {
    lastOf: async (subject: string) => {
      asked.push('last');
      const last = await stream.lastOf(subject);
      between();
      return last;
    },
    async *messagesOf(subject: string, from: number) {
      asked.push(`from ${from}`);
      yield* stream.messagesOf(subject, from);
    },
  };
  const links = { open: () => Promise.resolve({ wire }) };
  const publisher = new ChainedPublisher(TOPIC, links as never);
  const tailOf = async (token: string, after: number, ...own: string[]) => {
    const { last, sequences } = await publisher.tailOf(token, after, never, (id) => own.includes(id));
    return [last, Object.fromEntries(sequences)];
  };
  return { stream, append, asked, tailOf, interpose: (step: () => void) => (between = step) };
}

test('one question tells that nothing of an aggregate is above a sequence', async () => {
  const { tailOf, asked } = fixture('a:1', 'b:1');
  expect([await tailOf('a', 1), await tailOf('c', 0)]).toEqual([
    [1, {}],
    [0, {}],
  ]);
  expect(asked).toEqual(['last', 'last']);
});

test('one question tells that the last event is one that was asked for: those before it are stored, too', async () => {
  const { tailOf, asked } = fixture('a:1', 'b:1', 'a:2', 'a:3');
  expect(await tailOf('a', 1, 'a:2', 'a:3', 'a:4')).toEqual([4, { 'a:3': 4 }]);
  expect(asked).toEqual(['last']);
});

test('behind a foreign event the tail is read, up to the event that was the last', async () => {
  const { tailOf, asked, append, interpose } = fixture('a:1', 'a:2', 'a:foreign');
  interpose(() => append('a:later'));
  expect(await tailOf('a', 1, 'a:2')).toEqual([3, { 'a:2': 2, 'a:foreign': 3 }]);
  expect(asked).toEqual(['last', 'from 2']);
});

test('an event that was dropped between two questions stays the last: what expects it is refused', async () => {
  const { tailOf, stream, interpose } = fixture('a:1', 'a:2', 'a:foreign');
  interpose(() => stream.delete(3));
  expect(await tailOf('a', 1, 'a:2')).toEqual([3, { 'a:2': 2, 'a:foreign': 3 }]);
});
