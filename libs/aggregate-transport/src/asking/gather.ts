import type { Clock } from '../clock.js';
import type { Answer, Question } from './answers.js';
import type { AskPort, Ending } from './ask-port.js';
import { readAnswer } from './read-answer.js';

/** An answer, and how long it took. */
export interface Gathered<A extends Answer> {
  readonly answer: A;
  readonly tookMs: number;
}

export interface GatherOptions<A extends Answer> {
  readonly topic: string;
  readonly group: string;
  readonly clock: Clock;
  /** The longest wait, in milliseconds. */
  readonly withinMs: number;
  /** The replicas whose sessions are renewed; undefined if the server does not tell. Never rejects. */
  readonly living: Promise<readonly string[] | undefined>;
  /** This answer is all that was asked for. */
  readonly isEnough?: (answer: A) => boolean;
}

export interface GatheredAnswers<A extends Answer> {
  readonly answers: readonly Gathered<A>[];
  /** Undefined if the server has not told in time. */
  readonly living: readonly string[] | undefined;
}

/** An asker holds the answers of so many processes, at most. */
const MAX_ANSWERS = 1_024;

/**
 * Sends a question and gathers one answer of each process. Resolves as soon as every living replica has answered, or
 * one answer is enough, or nothing hears questions; at the latest after `withinMs`. Never rejects.
 */
export function gather<A extends Answer>(
  port: AskPort,
  question: Question,
  { topic, group, clock, withinMs, living, isEnough }: GatherOptions<A>,
): Promise<GatheredAnswers<A>> {
  const found = new Map<string, Gathered<A>>();
  const startedAt = clock.now();
  const expected = { topic, group, answers: question.ask };
  let known: readonly string[] | undefined;
  let isUnheard = false;
  return new Promise((resolve) => {
    const asked: { ending?: Ending } = {};
    const end = (): void => {
      timer.cancel();
      asked.ending?.end();
      resolve({ answers: [...found.values()], living: known });
    };
    const look = (): void => {
      if (known !== undefined && (isUnheard || known.every((replica) => found.has(replica)))) end();
    };
    const timer = clock.after(withinMs, end);
    asked.ending = port.ask(JSON.stringify(question), {
      answered: (body) => {
        const answer = readAnswer(body, expected) as A | undefined;
        if (answer === undefined || found.has(answer.replica) || found.size >= MAX_ANSWERS) return;
        found.set(answer.replica, { answer, tookMs: Math.round(clock.now() - startedAt) });
        if (isEnough?.(answer) === true) end();
        else look();
      },
      unheard: () => {
        isUnheard = true;
        look();
      },
    });
    void living.then((replicas) => {
      known = replicas;
      look();
    });
  });
}
