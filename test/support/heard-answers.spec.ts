import { expect, test } from '@jest/globals';
import type { Msg } from 'nats';
import { HeardAnswers } from './heard-answers.js';

function listen() {
  const heard = new HeardAnswers();
  const answers: string[] = [];
  const ask = (request: string, reply?: string): void =>
    heard.asked(reply === undefined ? {} : { reply }, (answer) =>
      answers.push(`${request}: ${Buffer.from(answer.data).toString()}`),
    );
  const answer = (subject: string, body: string): void =>
    heard.answered({ subject, data: Buffer.from(body) } as unknown as Msg);
  return { heard, answers, ask, answer };
}

test('pairs an answer with its request, whichever is heard first', () => {
  const { answers, ask, answer } = listen();
  ask('a', 'i.1');
  answer('i.2', 'second');
  answer('i.1', 'first');
  ask('b', 'i.2');
  expect(answers).toEqual(['a: first', 'b: second']);
});

test('gives each of several requests with one reply subject an answer of its own', () => {
  const { answers, ask, answer } = listen();
  ask('a', 'i.1');
  ask('again', 'i.1');
  answer('i.1', 'stored');
  answer('i.1', 'refused');
  expect(answers).toEqual(['a: stored', 'again: refused']);
});

test('takes "no responders" for no answer, and expects none without a reply subject', () => {
  const { answers, ask, answer } = listen();
  ask('a', 'i.1');
  ask('b');
  answer('i.1', '');
  expect(answers).toEqual([]);
});

test('answers nothing that was heard before an interruption', () => {
  const { heard, answers, ask, answer } = listen();
  ask('a', 'i.1');
  answer('i.2', 'early');
  heard.interrupted();
  answer('i.1', 'late');
  ask('b', 'i.2');
  expect(answers).toEqual([]);
});
