// The problem in one picture: left a queue group, in which Paid overtakes Placed on a retry; right lanes, where it
// cannot.
import { motion, picture, withoutMotion } from './svg.js';

const WIDTH = 860;
const HEIGHT = 318;
const SECONDS = 11;
const TOKEN = { width: 86, height: 28 };
const RIGHT = 440;

const at = (x, y) => `transform:translate(${x}px,${y}px)`;
const css = [
  '.token rect{fill:var(--event);stroke:var(--edge);stroke-width:1.5}',
  '.token text,.box text,.slot{font-size:13px;text-anchor:middle}',
  '.head{font-size:16px;font-weight:600}',
  '.quiet{font-size:12.5px;fill:var(--quiet)}',
  '.panel{fill:var(--panel);stroke:var(--line)}',
  '.box rect{fill:none;stroke:var(--line);stroke-width:1.5;stroke-dasharray:5 4}',
  '.good{fill:var(--good);font-size:14px;font-weight:600}',
  '.bad{fill:var(--bad);font-size:14px;font-weight:600}',
  '.failure{font-size:12.5px;fill:var(--bad)}',
];
const shapes = [];

const box = (x, y, label) =>
  shapes.push(
    `<g class="box"><rect x="${x - 8}" y="${y - 8}" width="${TOKEN.width + 16}" height="${TOKEN.height + 16}" rx="8"/>`,
    `<text class="quiet" x="${x + TOKEN.width / 2}" y="${y - 15}">${label}</text></g>`,
  );

/** An event, and where it is when. `steps`: `[second, x, y]`. */
function token(id, label, steps) {
  css.push(
    motion(
      id,
      SECONDS,
      steps.map(([second, x, y]) => [second, at(x, y)]),
    ),
  );
  shapes.push(
    `<g id="${id}" class="token"><rect width="${TOKEN.width}" height="${TOKEN.height}" rx="6"/>`,
    `<text x="${TOKEN.width / 2}" y="18.5">${label}</text></g>`,
  );
}

/** Shown from one second to another; at the end it stays, or not. */
function shown(id, markup, { from, to = SECONDS, stays = to === SECONDS }) {
  const [visible, hidden] = ['opacity:1', 'opacity:0'];
  const steps = [
    [0, hidden],
    [from, hidden],
    [from + 0.2, visible],
    [to - 0.01, visible],
  ];
  if (!stays) steps.push([to, hidden]);
  css.push(motion(id, SECONDS, steps));
  shapes.push(`<g id="${id}">${markup}</g>`);
}

const text = (x, y, kind, words) => `<text class="${kind}" x="${x}" y="${y}">${words}</text>`;
const twoLines = (x, y, kind, [first, second]) =>
  `<text class="${kind}" x="${x}" y="${y}">${first}<tspan x="${x}" dy="15">${second}</tspan></text>`;

function panel(x, head, what) {
  shapes.push(
    `<rect class="panel" x="${x}" y="12" width="410" height="294" rx="8"/>`,
    text(x + 18, 40, 'head', head),
    text(x + 18, 60, 'quiet', what),
    text(x + 18, 262, 'quiet', 'handled'),
    `<line x1="${x + 18}" y1="228" x2="${x + 392}" y2="228" stroke="var(--line)"/>`,
  );
}

// Where events stand: two places in line, and the handler.
const [SECOND, FIRST, HANDLER] = [18, 112, 214];
const [UPPER, LOWER, DONE] = [104, 174, 244];
const DONE_FIRST = 90;
const DONE_SECOND = 184;

function queueGroup(x) {
  panel(x, 'A queue group', 'two workers take the events of order 7');
  box(x + HANDLER, UPPER, 'worker 1');
  box(x + HANDLER, LOWER, 'worker 2');
  token('left-placed', 'Placed', [
    [0, x + FIRST, UPPER],
    [0.8, x + FIRST, UPPER],
    [1.4, x + HANDLER, UPPER],
    [2.8, x + HANDLER, UPPER],
    [3.4, x + FIRST, UPPER],
    [5.4, x + FIRST, UPPER],
    [6, x + HANDLER, UPPER],
    [6.8, x + HANDLER, UPPER],
    [7.4, x + DONE_SECOND, DONE],
  ]);
  token('left-paid', 'Paid', [
    [0, x + FIRST, LOWER],
    [1.4, x + FIRST, LOWER],
    [2, x + HANDLER, LOWER],
    [3.2, x + HANDLER, LOWER],
    [3.8, x + DONE_FIRST, DONE],
  ]);
  const failure = twoLines(x + HANDLER + 104, UPPER + 11, 'failure', ['fails, comes', 'again later']);
  shown('left-failure', failure, { from: 2, to: 5.4 });
  shown('left-verdict', text(x + 18, 294, 'bad', '✗ paid before it was placed'), { from: 7.6 });
}

function lanes(x) {
  panel(x, 'nestjs-aggregate-transport', 'one lane per order');
  box(x + HANDLER, UPPER, 'order 7');
  box(x + HANDLER, LOWER, 'order 8');
  token('right-paid', 'Paid', [
    [0, x + SECOND, UPPER],
    [0.8, x + SECOND, UPPER],
    [1.4, x + FIRST, UPPER],
    [6, x + FIRST, UPPER],
    [6.6, x + HANDLER, UPPER],
    [7.4, x + HANDLER, UPPER],
    [8, x + DONE_SECOND, DONE],
  ]);
  token('right-placed', 'Placed', [
    [0, x + FIRST, UPPER],
    [0.8, x + FIRST, UPPER],
    [1.4, x + HANDLER, UPPER],
    [5.4, x + HANDLER, UPPER],
    [6, x + DONE_FIRST, DONE],
  ]);
  token('right-other', 'Placed', [
    [0, x + FIRST, LOWER],
    [0.8, x + FIRST, LOWER],
    [1.4, x + HANDLER, LOWER],
    [2.4, x + HANDLER, LOWER],
    [3, x + HANDLER + 104, LOWER],
  ]);
  const failure = twoLines(x + HANDLER + 104, UPPER + 11, 'failure', ['fails, tried', 'again here']);
  shown('right-failure', failure, { from: 2, to: 5.4 });
  shown('right-other-done', text(x + HANDLER + 117, LOWER + 43, 'quiet', 'continues'), { from: 3.1 });
  shown('right-verdict', text(x + 18, 294, 'good', '✓ placed, then paid'), { from: 8.2 });
}

queueGroup(10);
lanes(RIGHT);

const parts = { width: WIDTH, height: HEIGHT, body: shapes.join('\n') };
const words = {
  title: 'Why order per aggregate is hard, and how lanes keep it',
  description:
    'Left: in a queue group worker 1 fails to handle Placed of order 7. While it waits to come again, worker 2 ' +
    'handles Paid: the order is paid before it was placed. Right: with one lane per order Placed is tried again in ' +
    'its place, Paid waits for it, and order 8 continues.',
};

export const overtaking = picture({ ...parts, ...words, css: css.join('\n') });
/** Its end, for readers who want no motion: a browser does not tell a picture that it is shown in. */
export const overtakingStill = picture({ ...parts, ...words, css: withoutMotion(css.join('\n')) });
