import { expect, test } from '@jest/globals';
import { CalmLog } from '#postgres/relay/calm-log.js';

const MINUTE_MS = 60_000;

function calmLog(): { said: string[]; calm: CalmLog; at: (ms: number) => void } {
  const said: string[] = [];
  let now = 0;
  const calm = new CalmLog({ now: () => now }, { warn: (text) => said.push(text) });
  return { said, calm, at: (ms) => (now = ms) };
}

test('says each of two texts that take turns once a minute', () => {
  const { said, calm, at } = calmLog();
  for (let ms = 0; ms < MINUTE_MS; ms += 2_000) {
    at(ms);
    calm.warn('the connection is lost');
    calm.warn('the relay begins again');
  }
  expect(said).toEqual(['the connection is lost', 'the relay begins again']);
  at(MINUTE_MS);
  calm.warn('the connection is lost');
  expect(said).toHaveLength(3);
});

test('says another text at once, and remembers a hundred', () => {
  const { said, calm } = calmLog();
  for (let n = 0; n <= 100; n++) calm.warn(`text ${n}`);
  expect(said).toHaveLength(101);
  calm.warn('text 100');
  expect(said).toHaveLength(101);
  calm.warn('text 0');
  expect(said).toHaveLength(102);
});
