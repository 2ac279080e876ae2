import { createInterface } from 'node:readline/promises';
import type { Arguments } from './command-line.js';
import { checkedName } from './names.js';

const DEFAULT_NAME = 'my-service';
const DEFAULT_TOPIC = 'orders';

export interface Names {
  readonly name: string;
  readonly topic: string;
}

/** Asks for text, and takes the default for an empty answer. */
export type Ask = (question: string, byDefault: string) => Promise<string>;

/** Two questions at most, and none with `--yes` or without a terminal. */
export async function chooseNames(
  { name, topic, isSilent }: Arguments,
  ask: Ask | undefined,
): Promise<Names> {
  const asked = isSilent ? undefined : ask;
  return {
    name: checkedName(
      'service',
      name ?? (await asked?.('Name of the service', DEFAULT_NAME)) ?? DEFAULT_NAME,
    ),
    topic: checkedName(
      'topic',
      topic ?? (await asked?.('Topic of its events', DEFAULT_TOPIC)) ?? DEFAULT_TOPIC,
    ),
  };
}

/** Asks on the terminal; undefined where there is none. */
export function terminalAsk(): Ask | undefined {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return undefined;
  return async (question, byDefault) => {
    const terminal = createInterface({ input: process.stdin, output: process.stdout });
    const answer = (await terminal.question(`${question} (${byDefault}): `)).trim();
    terminal.close();
    return answer === '' ? byDefault : answer;
  };
}
