import type { ErrorAnswer } from './answers.js';

const MAX_CHARACTERS = 200;
/** A longer text in quotes is more likely a value than a name. */
const MAX_QUOTED = 40;
/** Where only a text was noted, it begins with the name of its error. */
const FIRST_NAME = /^([A-Za-z_]\w{0,79}): /;
const CLOSES: Readonly<Record<string, string>> = { '{': '}', '[': ']' };

/** An error as it was noted: its text begins with its name or its code. */
export interface NotedErrorText {
  readonly stage: string;
  readonly error: string;
  readonly name?: string | undefined;
  readonly code?: string | undefined;
}

/** An error as others are told of it: short, and without what handlers like to print of an event. Pure. */
export function errorAnswerOf({ stage, error, name, code }: NotedErrorText): ErrorAnswer {
  const first = name ?? FIRST_NAME.exec(error)?.[1];
  const prefix = [code, first].find((one) => one !== undefined && error.startsWith(`${one}: `));
  const text = prefix === undefined ? error : error.slice(prefix.length + 2);
  return {
    stage,
    name: first ?? 'Error',
    ...(code === undefined ? {} : { code }),
    text: shortTextOf(text),
  };
}

/**
 * The first line of a text, up to 200 characters. What stands in braces or brackets is left out, and so is a long text
 * in quotes: a payload that a handler prints stands there. Pure.
 */
export function shortTextOf(text: string): string {
  const [line = ''] = text.split(/[\r\n]/, 1);
  const short = withoutQuotes(withoutBraces(line));
  return short.length > MAX_CHARACTERS ? `${short.slice(0, MAX_CHARACTERS - 1)}…` : short;
}

function withoutBraces(line: string): string {
  let kept = '';
  let close: string | undefined;
  let depth = 0;
  let open = '';
  for (const character of line) {
    if (depth === 0) {
      close = CLOSES[character];
      if (close === undefined) kept += character;
      else {
        depth = 1;
        open = character;
      }
    } else if (character === open) depth++;
    else if (character === close && --depth === 0) kept += `${open}…${close}`;
  }
  return depth === 0 ? kept : `${kept}${open}…`;
}

function withoutQuotes(line: string): string {
  return line.replace(/"([^"]*)"|'([^']*)'/g, (whole: string, double?: string, single?: string) =>
    (double ?? single ?? '').length > MAX_QUOTED ? `${whole.charAt(0)}…${whole.charAt(0)}` : whole,
  );
}
