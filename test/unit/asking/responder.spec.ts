import { expect, test } from '@jest/globals';
import type { Question } from '#library/asking/answers.js';
import type { AskPort, QuestionListener } from '#library/asking/ask-port.js';
import { Responder } from '#library/asking/responder.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { recordedLog } from '../consumer/handling/deliveries.js';

const GROUP = Buffer.from('{"v":1,"ask":"group"}');

function responder(answer: (question: Question) => Promise<string> = () => Promise.resolve('{}')) {
  const clock = new ManualClock();
  const log = recordedLog();
  let listener: QuestionListener | undefined;
  let ended = 0;
  const port: AskPort = {
    maxBytes: () => 100,
    ask: () => ({ end: () => undefined }),
    hear: (heard) => {
      listener = heard;
      return { end: () => ended++ };
    },
  };
  const made = new Responder({ name: 'a group', port, answering: { answer }, clock, log });
  const replies: string[] = [];
  const ask = async (body: Uint8Array = GROUP): Promise<void> => {
    listener?.asked(body, (reply) => void replies.push(reply));
    await clock.advance(0);
  };
  return { made, clock, log, replies, ask, refuse: () => listener?.refused('no'), ended: () => ended };
}

test('a question is answered, and garbage is not', async () => {
  const { made, ask, replies, log } = responder();
  made.start();
  await ask();
  await ask(Buffer.from('garbage'));
  await ask(Buffer.alloc(100_000, 'x'));
  expect(replies).toEqual(['{}']);
  expect(log.lines).toEqual([]);
});

test('a flood of questions is answered 50 times a second at most', async () => {
  const { made, ask, replies, clock } = responder();
  made.start();
  for (let n = 0; n < 1_000; n++) await ask();
  expect(replies).toHaveLength(50);
  await clock.advance(1_000);
  await ask();
  expect(replies).toHaveLength(51);
});

test('an answer that fails is logged once, and the next one comes', async () => {
  let fails = true;
  const { made, ask, replies, log } = responder(() =>
    fails ? Promise.reject(new Error('broken')) : Promise.resolve('{}'),
  );
  made.start();
  await ask();
  await ask();
  fails = false;
  await ask();
  expect(replies).toHaveLength(1);
  expect(log.lines.filter((line) => line.includes('broken'))).toHaveLength(1);
});

test('an answer that is too long is not sent', async () => {
  const { made, ask, replies } = responder(() => Promise.resolve('x'.repeat(101)));
  made.start();
  await ask();
  expect(replies).toEqual([]);
});

test('nothing is answered once it is closed, or refused', async () => {
  const first = responder();
  first.made.start();
  first.made.close();
  first.made.close();
  await first.ask();
  expect([first.replies, first.ended()]).toEqual([[], 2]);
  const second = responder();
  second.made.start();
  second.refuse();
  second.refuse();
  await second.ask();
  second.made.close();
  expect([second.replies, second.made.mode]).toEqual([[], 'closed']);
});
