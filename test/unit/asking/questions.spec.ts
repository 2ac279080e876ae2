import { expect, test } from '@jest/globals';
import { readAnswer } from '#library/asking/read-answer.js';
import { readQuestion } from '#library/asking/read-question.js';

const bytes = (text: string): Uint8Array => Buffer.from(text);

test('questions of this version are understood', () => {
  expect(readQuestion(bytes('{"v":1,"ask":"group"}'))).toEqual({ v: 1, ask: 'group' });
  expect(readQuestion(bytes('{"v":1,"ask":"group","worst":200,"more":1}'))).toEqual({
    ...{ v: 1, ask: 'group', worst: 200 },
  });
  expect(readQuestion(bytes('{"v":1,"ask":"aggregate","aggregateId":"a b"}'))).toEqual({
    ...{ v: 1, ask: 'aggregate', aggregateId: 'a b' },
  });
});

test.each([
  '',
  'no JSON',
  '[]',
  'null',
  '1',
  '{"v":2,"ask":"group"}',
  '{"v":"1","ask":"group"}',
  '{"v":1}',
  '{"v":1,"ask":"all"}',
  '{"v":1,"ask":"__proto__"}',
  '{"v":1,"ask":"group","worst":-1}',
  '{"v":1,"ask":"group","worst":201}',
  '{"v":1,"ask":"group","worst":1.5}',
  '{"v":1,"ask":"group","worst":"9"}',
  '{"v":1,"ask":"aggregate"}',
  '{"v":1,"ask":"aggregate","aggregateId":7}',
  `{"v":1,"ask":"group","pad":"${'x'.repeat(5_000)}"}`,
  '\u0000\u00ff{',
])('%s is no question', (text) => {
  expect(readQuestion(bytes(text))).toBeUndefined();
});

const expected = { topic: 't', group: 'g', answers: 'group' } as const;
const whole = {
  ...{ v: 1, answers: 'group', topic: 't', group: 'g', replica: 'r', at: 1 },
  ...{ partitions: [], problems: [], breaker: { isOpen: false } },
};

test('an answer of the group that was asked counts', () => {
  expect(readAnswer(bytes(JSON.stringify(whole)), expected)).toMatchObject({ replica: 'r' });
});

test.each([
  { v: 2 },
  { topic: 'other' },
  { group: 'other' },
  { answers: 'aggregate' },
  { replica: 7 },
  { replica: 'r'.repeat(201) },
  { at: 'now' },
  { partitions: {} },
  { partitions: [1] },
  { partitions: [null] },
  { problems: undefined },
  { worst: [[]] },
  { breaker: null },
])('an answer with %j does not count', (wrong) => {
  expect(readAnswer(bytes(JSON.stringify({ ...whole, ...wrong })), expected)).toBeUndefined();
});
