import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';

const folder = mkdtempSync(join(tmpdir(), 'voice-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What the check says of a file with this text, without the file's name. */
function said(name: string, text: string): string[] {
  const path = join(folder, name);
  writeFileSync(path, text);
  const { stdout } = spawnSync(process.execPath, ['test/support/check-voice.js', path], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .filter((line) => line.startsWith(path))
    .map((line) => line.slice(path.length + 1));
}

const words = (count: number): string => Array.from({ length: count }, () => 'word').join(' ');

describe('a document', () => {
  test('passes with plain words, sentences of 25 words and lines of 120 characters', () => {
    expect(said('good.md', `# Title\n\n${'a '.repeat(24)}end.\n\n${'x'.repeat(120)}\n`)).toEqual([]);
  });

  test.each([
    'nobody',
    'Somebody',
    'whoever',
    'whatever',
    'shall',
    'anew',
    'mended',
    'goes on',
    'worked off',
  ])('fails for "%s"', (word) => {
    expect(said('word.md', `The owner ${word} here.\n`)).toEqual([
      `1: "${word}": name the role, or use a plain verb`,
    ]);
  });

  test('fails for a sentence of 26 words that goes over two lines, and names where it begins', () => {
    const found = said('long.md', `Short one.\n\n${words(13)}\n${words(13)}.\n`);
    expect(found).toEqual([expect.stringMatching(/^3: 26 words in one sentence/)]);
  });

  test('counts code as one word, and does not look into code blocks, links and the length of tables', () => {
    const text =
      `The \`${'a '.repeat(30)}\` runs.\n\n\`\`\`ts\n// nobody ${'x'.repeat(130)}\n\`\`\`\n\n` +
      `[here](${'x'.repeat(130)})\n\n| a | ${'x'.repeat(130)} |\n`;
    expect(said('code.md', text)).toEqual([]);
  });

  test('fails for a line of 121 characters', () => {
    expect(said('wide.md', `${'x'.repeat(121)}\n`)).toEqual([
      '1: 121 characters in one line, expected 120 at most',
    ]);
  });
});

describe('a source', () => {
  test('is judged by its comments and literals, and not by its code', () => {
    const text = `const nobody = /['"]nobody/;\n/** Tells whoever asks. */\nlog('somebody');\n`;
    expect(said('source.ts', text)).toEqual([
      expect.stringMatching(/^2: "whoever"/),
      expect.stringMatching(/^3: "somebody"/),
    ]);
  });

  test('has no long sentence in a comment; an example is none', () => {
    const text = `/**\n * ${words(13)}\n * ${words(13)}.\n *\n * @example\n * ${'a '.repeat(30)}\n */\n`;
    expect(said('comment.ts', text)).toEqual([expect.stringMatching(/^2: 26 words/)]);
  });
});
