import { numberText } from './number-text.js';
import { type Section, spreadIn } from './section.js';

const WIDTH = 860;
const LABELS = 270;
const VALUES = 170;
const BAR = 20;
const GAP = 8;
const TOP = 56;

/**
 * A picture of a section's first metric: one bar per contender, with a line from its lowest to its highest round.
 * Pure; the text is readable on a light and on a dark page.
 */
export function svgOf(section: Section): string {
  const metric = section.metrics[0];
  const rows = section.contenders.map(({ name }) => ({
    name,
    ...spreadIn(section, name, metric?.key ?? ''),
  }));
  const highest = Math.max(Number.MIN_VALUE, ...rows.map(({ max }) => (Number.isFinite(max) ? max : 0)));
  const xOf = (value: number): number => (Math.max(0, value) / highest) * (WIDTH - LABELS - VALUES);
  const height = TOP + rows.length * (BAR + GAP) + GAP;
  const bars = rows.map(({ name, median, min, max }, index) => {
    const y = TOP + index * (BAR + GAP);
    const middle = y + BAR / 2;
    const isBaseline = name === section.baseline;
    const label = text({ x: LABELS - 8, y: middle, anchor: 'end' }, name);
    if (Number.isNaN(median)) return label;
    const value = text({ x: LABELS + xOf(max) + 8, y: middle, anchor: 'start' }, numberText(median));
    return [
      label,
      `<rect x="${LABELS}" y="${y}" width="${place(xOf(median))}" height="${BAR}" fill="${isBaseline ? '#8a8f98' : '#3b7dd8'}"/>`,
      `<path d="M${place(LABELS + xOf(min))} ${middle}H${place(LABELS + xOf(max))}" stroke="#d9822b" stroke-width="3"/>`,
      value,
    ].join('\n');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text({ x: 12, y: 20, anchor: 'start', weight: 'bold' }, section.title),
    text(
      { x: 12, y: 40, anchor: 'start' },
      `${metric?.unit ?? ''}, median of the rounds; line: lowest to highest`,
    ),
    ...bars,
    '</svg>',
    '',
  ].join('\n');
}

interface TextPlace {
  readonly x: number;
  readonly y: number;
  readonly anchor: 'start' | 'end';
  readonly weight?: 'bold';
}

function text({ x, y, anchor, weight }: TextPlace, content: string): string {
  const bold = weight === undefined ? '' : ' font-weight="bold"';
  return `<text x="${place(x)}" y="${place(y)}" text-anchor="${anchor}" dominant-baseline="middle" fill="#222222"${bold}>${escaped(content)}</text>`;
}

function place(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '');
}

function escaped(content: string): string {
  return content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
