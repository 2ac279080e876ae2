import { expect, test } from '@jest/globals';
import type { GroupAnswer, OneAggregateAnswer } from '#library/asking/answers.js';
import type { AskListener, AskPort } from '#library/asking/ask-port.js';
import { gather } from '#library/asking/gather.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

const head = { v: 1, topic: 't', group: 'g', at: 1 } as const;
const groupOf = (replica: string) => ({
  ...{ ...head, answers: 'group', replica, partitions: [], problems: [], breaker: { isOpen: false } },
});

function asked(living: Promise<readonly string[] | undefined>) {
  const clock = new ManualClock();
  let listener!: AskListener;
  let ended = 0;
  const port: AskPort = {
    maxBytes: () => 1,
    ask: (_body, heard) => {
      listener = heard;
      return { end: () => ended++ };
    },
    hear: () => ({ end: () => undefined }),
  };
  const how = { topic: 't', group: 'g', clock, withinMs: 1_000, living };
  const answer = (value: unknown): void => listener.answered(Buffer.from(JSON.stringify(value)));
  return { clock, port, how, answer, unheard: () => listener.unheard(), ended: () => ended };
}

const GROUP = { v: 1, ask: 'group' } as const;

test('ends as soon as every living replica has answered, and counts each once', async () => {
  const { port, how, answer, ended } = asked(Promise.resolve(['a', 'b']));
  const gathered = gather<GroupAnswer>(port, GROUP, how);
  answer(groupOf('a'));
  answer(groupOf('a'));
  answer({ garbage: true });
  answer({ ...groupOf('c'), topic: 'other' });
  answer(groupOf('b'));
  const { answers, living } = await gathered;
  expect(answers.map((one) => one.answer.replica)).toEqual(['a', 'b']);
  expect(living).toEqual(['a', 'b']);
  expect(ended()).toBe(1);
});

test('ends when its time is over, with what has come, also if the server tells nothing', async () => {
  const { clock, port, how, answer } = asked(new Promise(() => undefined));
  const gathered = gather<GroupAnswer>(port, GROUP, how);
  answer(groupOf('a'));
  await clock.advance(1_000);
  expect(await gathered).toMatchObject({ answers: [{ answer: { replica: 'a' } }], living: undefined });
});

test('ends at once if nothing hears questions', async () => {
  const { port, how, unheard } = asked(Promise.resolve(['silent']));
  const gathered = gather<GroupAnswer>(port, GROUP, how);
  unheard();
  expect(await gathered).toEqual({ answers: [], living: ['silent'] });
});

test('ends with the answer of the owner if one aggregate is asked for', async () => {
  const { port, how, answer } = asked(Promise.resolve(['a', 'b', 'c']));
  const question = { v: 1, ask: 'aggregate', aggregateId: 'x' } as const;
  const isEnough = ({ isOwner }: OneAggregateAnswer): boolean => isOwner;
  const gathered = gather<OneAggregateAnswer>(port, question, { ...how, isEnough });
  const one = { ...head, answers: 'aggregate', aggregateId: 'x', partition: 0 };
  answer({ ...one, replica: 'a', isOwner: false });
  answer({ ...one, replica: 'b', isOwner: true });
  expect((await gathered).answers).toHaveLength(2);
});
