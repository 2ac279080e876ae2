// Checks how documents and comments speak: words that make a reader guess who or when, sentences over 25 words, and
// lines over 120 characters. Part of `npm run check`; with paths as arguments it checks those files only.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'docs'];
const SOURCES = [
  'libs/aggregate-transport/src',
  'libs/aggregate-transport-postgres/src',
  'libs/aggregate-transport-board/src',
  'libs/aggregate-transport-board/pages',
];
const MAX_WORDS = 25;
const MAX_LINE = 120;
const SHOWN_WORDS = 8;
const WORDS =
  /\b(?:nobody|somebody|whoever|whatever|shall|anew|mend(?:s|ed|ing)?|go(?:es)? on|let go in peace|work(?:s|ed|ing)? off|brings? to mind)\b/gi;
/** A full stop after these ends no sentence. */
const ABBREVIATIONS = /\b(?:e\.g|i\.e|etc|vs|cf|no)\.$/i;

/** Text that a reader sees in one piece: a paragraph, a list item, a table cell. */
const blockAt = (line) => ({ line, text: '' });

/** Splits Markdown into blocks, without code, comments and link targets. */
function blocksOfDocument(source) {
  const blocks = [];
  let block;
  let isCode = false;
  for (const [index, raw] of source.split('\n').entries()) {
    const line = raw.trim();
    if (line.startsWith('```')) isCode = !isCode;
    if (isCode || line === '' || /^(?:```|<!--|#|\|[ :|-]+\|$|---)/.test(line)) {
      block = undefined;
      if (!isCode && line.startsWith('#'))
        blocks.push({ line: index + 1, text: spoken(line.replace(/^#+/, '')) });
    } else if (line.startsWith('|')) {
      block = undefined;
      for (const cell of line.replaceAll('\\|', ' ').split('|'))
        blocks.push({ line: index + 1, text: spoken(cell) });
    } else {
      if (block === undefined || /^(?:[-*] |\d+\. )/.test(line)) blocks.push((block = blockAt(index + 1)));
      block.text += ` ${spoken(line.replace(/^(?:[-*] |\d+\. |> )/, ''))}`;
    }
  }
  return blocks;
}

/** Code counts as one word, a link as its text. */
function spoken(text) {
  return text
    .replace(/`[^`]*`/g, 'code')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\{@link ([^}]*)\}/g, 'code')
    .replace(/[*_]{1,2}(?=\S)|(?<=\S)[*_]{1,2}/g, '');
}

/** Comments and text literals of TypeScript, each with the line it begins on. */
function piecesOfSource(source) {
  const piece =
    /\/\*[\s\S]*?\*\/|(?:\/\/[^\n]*(?:\n[ \t]*(?=\/\/))?)+|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|(?<=[(,=:[!&|?{};]\s*|return )\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/g;
  const pieces = [];
  for (const match of source.matchAll(piece)) {
    const text = match[0];
    const line = source.slice(0, match.index).split('\n').length;
    if (text.startsWith('/*') || text.startsWith('//')) pieces.push({ kind: 'comment', text, line });
    else if (!text.startsWith('/')) pieces.push({ kind: 'literal', text: text.slice(1, -1), line });
  }
  return pieces;
}

/** Splits a comment into blocks, without its frame and its examples. */
function blocksOfComment({ text, line: first }) {
  const blocks = [];
  let block;
  let isExample = false;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw
      .trim()
      .replace(/^(?:\/\*\*?|\*\/|\*|\/\/)/, '')
      .replace(/\*\/$/, '')
      .trim();
    if (line.startsWith('@')) isExample = line.startsWith('@example');
    if (isExample || line === '') {
      block = undefined;
      continue;
    }
    if (block === undefined || /^(?:[-*] |\d+\. |@)/.test(line))
      blocks.push((block = blockAt(first + index)));
    block.text += ` ${spoken(line.replace(/^(?:[-*] |\d+\. |@\w+ )/, ''))}`;
  }
  return blocks;
}

function sentencesOf(text) {
  const sentences = [];
  let sentence = '';
  for (const part of text.split(/(?<=[.!?]["')]?)\s+/)) {
    sentence += `${sentence === '' ? '' : ' '}${part}`;
    if (ABBREVIATIONS.test(part)) continue;
    sentences.push(sentence);
    sentence = '';
  }
  return sentence === '' ? sentences : [...sentences, sentence];
}

const wordsOf = (text) => text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));

function judgeWords({ text, line }) {
  return [...text.matchAll(WORDS)].map(([word]) => ({
    line,
    text: `"${word}": name the role, or use a plain verb`,
  }));
}

function judgeSentences({ text, line }) {
  return sentencesOf(text).flatMap((sentence) => {
    const words = wordsOf(sentence);
    if (words.length <= MAX_WORDS) return [];
    return [
      { line, text: `${words.length} words in one sentence: "${words.slice(0, SHOWN_WORDS).join(' ')} …"` },
    ];
  });
}

function judgeLines(source) {
  let isCode = false;
  return source.split('\n').flatMap((line, index) => {
    if (line.trim().startsWith('```')) isCode = !isCode;
    const seen = line.replace(/\]\([^)]*\)/g, ']').replace(/<?https?:\S+/g, '');
    if (isCode || line.trim().startsWith('|') || seen.length <= MAX_LINE) return [];
    return [{ line: index + 1, text: `${seen.length} characters in one line, expected ${MAX_LINE} at most` }];
  });
}

function judge(path) {
  const source = readFileSync(path, 'utf8');
  if (path.endsWith('.md')) {
    const blocks = blocksOfDocument(source);
    return [...blocks.flatMap(judgeWords), ...blocks.flatMap(judgeSentences), ...judgeLines(source)];
  }
  return piecesOfSource(source).flatMap((piece) => {
    if (piece.kind === 'literal') return judgeWords(piece);
    const blocks = blocksOfComment(piece);
    const lines = judgeLines(piece.text).map((found) => ({ ...found, line: found.line + piece.line - 1 }));
    return [...blocks.flatMap(judgeWords), ...blocks.flatMap(judgeSentences), ...lines];
  });
}

/** The documents and sources under a path. */
function filesUnder(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true })
    .filter((name) => /\.(?:md|ts)$/.test(name))
    .map((name) => join(path, name))
    .sort();
}

const given = process.argv.slice(2);
const paths = given.length > 0 ? given : [...DOCUMENTS, ...SOURCES];
let count = 0;
for (const path of paths.flatMap(filesUnder)) {
  for (const { line, text } of judge(path).sort((a, b) => a.line - b.line)) {
    console.log(`${path}:${line}: ${text}`);
    count++;
  }
}
if (count > 0) console.log(`${count} places do not keep the voice of this project`);
process.exitCode = count > 0 ? 1 : 0;
