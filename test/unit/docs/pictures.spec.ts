import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const KEPT = 'docs/pictures';
let drawn: string;
beforeAll(() => {
  drawn = mkdtempSync(join(tmpdir(), 'pictures-'));
  execFileSync(process.execPath, [join(KEPT, 'draw.js'), '--to', drawn]);
});
afterAll(() => rmSync(drawn, { recursive: true }));

test('the pictures are those that their scripts draw', () => {
  const names = readdirSync(KEPT).filter((name) => name.endsWith('.svg'));
  expect(readdirSync(drawn).toSorted()).toEqual(names.toSorted());
  for (const name of names)
    expect([name, readFileSync(join(KEPT, name), 'utf8')]).toEqual([
      name,
      readFileSync(join(drawn, name), 'utf8'),
    ]);
});

test('each fits light and dark, tells what it shows, and moves only where motion is wanted', () => {
  for (const name of readdirSync(drawn)) {
    const picture = readFileSync(join(drawn, name), 'utf8');
    expect(picture).toMatch(/<title id="title">.+<\/title>\n<desc id="description">/);
    expect(picture).toContain('@media (prefers-color-scheme:dark)');
    expect(picture).not.toMatch(/https?:(?!\/\/www\.w3\.org\/2000\/svg")|<script|<image/);
    const moving = picture.split('@keyframes').length - 1;
    expect(picture.split('@media (prefers-reduced-motion:no-preference)').length - 1).toBe(moving);
    expect([name, moving > 0]).toEqual([name, name === 'overtaking.svg']);
  }
});

test('the run that is shown held every promise, and killed a replica', () => {
  const run = readFileSync(join(KEPT, 'verdict.txt'), 'utf8');
  expect(run).toMatch(/^killed: billing-1 \(SIGKILL\), after \d+ events$/m);
  expect(run.trimEnd()).toMatch(/every promise held$/);
});
