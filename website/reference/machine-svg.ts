import type { Machine } from './machines.js';

const WIDTH = 640;
const BOX = { width: 112, height: 34 };
const RADIUS = { x: 235, y: 118 };
const MARGIN = 30;
const STYLE =
  'text{font:13px system-ui,sans-serif;fill:#22302c}.box{fill:#fff;stroke:#2a8570;stroke-width:1.4}' +
  '.start{fill:#dff0ea}.edge{fill:none;stroke:#7b8a85;stroke-width:1.3}.head{fill:#7b8a85}';

interface Point {
  readonly x: number;
  readonly y: number;
}

/** The modes on an ellipse, an arrow for each way from one to another. The mode it starts in is filled. */
export function svgOf({ name, start, modes }: Machine): string {
  const height = 2 * (RADIUS.y + BOX.height / 2 + MARGIN);
  const center = { x: WIDTH / 2, y: height / 2 };
  const places = new Map(modes.map((mode, index) => [mode.name, placeOf(index, modes.length, center)]));
  const edges = modes.flatMap((mode) =>
    mode.from
      .filter((from) => from !== mode.name)
      .map((from) => edgeOf(places.get(from) ?? center, places.get(mode.name) ?? center)),
  );
  const boxes = modes.map((mode) => boxOf(mode.name, mode.name === start, places.get(mode.name) ?? center));
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Modes of ${name}">` +
    `<style>${STYLE}</style><defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" ` +
    `markerHeight="8" orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>` +
    `<rect width="${WIDTH}" height="${height}" rx="10" fill="#f6f8f7"/>` +
    `${edges.join('')}${boxes.join('')}</svg>\n`
  );
}

function placeOf(index: number, count: number, center: Point): Point {
  if (count === 2) return { x: center.x + (index === 0 ? -1 : 1) * 150, y: center.y };
  const angle = -Math.PI / 2 + (2 * Math.PI * index) / count;
  return { x: center.x + RADIUS.x * Math.cos(angle), y: center.y + RADIUS.y * Math.sin(angle) };
}

function boxOf(name: string, isStart: boolean, { x, y }: Point): string {
  const [left, top] = [x - BOX.width / 2, y - BOX.height / 2].map(rounded);
  return (
    `<rect class="box${isStart ? ' start' : ''}" x="${left ?? 0}" y="${top ?? 0}" width="${BOX.width}" ` +
    `height="${BOX.height}" rx="8"/><text x="${rounded(x)}" y="${rounded(y + 4.5)}" text-anchor="middle">${name}</text>`
  );
}

/** Bent to the right of its direction, so that the way back stands beside it. */
function edgeOf(from: Point, to: Point): string {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const bend = 0.12 * length;
  const middle = {
    x: (from.x + to.x) / 2 - ((to.y - from.y) / length) * bend,
    y: (from.y + to.y) / 2 + ((to.x - from.x) / length) * bend,
  };
  const begin = borderOf(from, middle, 2);
  const end = borderOf(to, middle, 5);
  const points = [begin, middle, end].map(({ x, y }) => `${rounded(x)} ${rounded(y)}`);
  return `<path class="edge" marker-end="url(#head)" d="M${points[0] ?? ''}Q${points[1] ?? ''} ${points[2] ?? ''}"/>`;
}

/** Where a line from the middle of a box towards a point leaves it, and a little further. */
function borderOf(box: Point, towards: Point, gap: number): Point {
  const [dx, dy] = [towards.x - box.x, towards.y - box.y];
  const scale = Math.min(
    (BOX.width / 2 + gap) / Math.max(Math.abs(dx), 1e-6),
    (BOX.height / 2 + gap) / Math.max(Math.abs(dy), 1e-6),
  );
  return { x: box.x + dx * scale, y: box.y + dy * scale };
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
