import { expect, test } from '@jest/globals';
import { CalmLog } from '#postgres/relay/calm-log.js';

const MINUTE_MS = 60_000;

function calmLog(): { said: string[]; warn: (text: string) => void; at: (ms: number) => void } {
  const said: string[] = [];
  let now = 0;
  const calm = new CalmLog({ now: () => now }, { write: (...[, , text]) => void said.push(text) });
  const warn = (text: string): void =>
    calm.write('relay-restarted', { topic: 'orders', why: text, errorName: 'Error' }, text);
  return { said, warn, at: (ms) => (now = ms) };
}

test('says each of two texts that take turns once a minute', () => {
  const { said, warn, at } = calmLog();
  for (let ms = 0; ms < MINUTE_MS; ms += 2_000) {
    at(ms);
    warn('the connection is lost');
    warn('the relay begins again');
  }
  expect(said).toEqual(['the connection is lost', 'the relay begins again']);
  at(MINUTE_MS);
  warn('the connection is lost');
  expect(said).toHaveLength(3);
});

test('says another text at once, and remembers a hundred', () => {
  const { said, warn } = calmLog();
  for (let n = 0; n <= 100; n++) warn(`text ${n}`);
  expect(said).toHaveLength(101);
  warn('text 100');
  expect(said).toHaveLength(101);
  warn('text 0');
  expect(said).toHaveLength(102);
});
