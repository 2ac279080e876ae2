// The problem in one picture: left a queue group, in which Paid overtakes Placed on a retry; right lanes, where it cannot.
import { motion, picture } from './svg.js';

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

function panel(x, head, what) {
  shapes.push(
    `<rect class="panel" x="${x}" y="12" width="410" height="294" rx="8"/>`,
    text(x + 18, 40, 'head', head),
    text(x + 18, 60, 'quiet', what),
    text(x + 18, 262, 'quiet', 'handled'),
    `<line x1="${x + 18}" y1="228" x2="${x + 392}" y2="228" stroke="var(--line)"/>`,
  );
}

panel(10, 'A queue group', 'two workers take events of order 7');
box(168, 104, 'worker 1');
box(168, 174, 'worker 2');
token('left-placed', 'Placed', [
  ...[
    [0, 36, 104],
    [0.6, 36, 104],
    [1.3, 168, 104],
    [2.6, 168, 104],
  ],
  ...[
    [3.3, 36, 104],
    [5, 36, 104],
    [5.7, 168, 104],
    [6.6, 168, 104],
    [7.3, 190, 244],
  ],
]);
token('left-paid', 'Paid', [
  ...[
    [0, 36, 174],
    [1.2, 36, 174],
    [1.9, 168, 174],
    [3, 168, 174],
    [3.7, 90, 244],
  ],
]);
shown('left-failure', text(272, 116, 'failure', 'fails, comes again later'), { from: 2.2, to: 5 });
shown('left-verdict', text(28, 294, 'bad', '✗ paid before it was placed'), { from: 7.4 });

panel(RIGHT, 'nestjs-aggregate-transport', 'one lane per order');
box(RIGHT + 168, 104, 'order 7');
box(RIGHT + 168, 174, 'order 8');
token('right-placed', 'Placed', [
  ...[
    [0, RIGHT + 56, 104],
    [0.6, RIGHT + 56, 104],
    [1.3, RIGHT + 168, 104],
  ],
  ...[
    [5.4, RIGHT + 168, 104],
    [6.1, RIGHT + 90, 244],
  ],
]);
token('right-paid', 'Paid', [
  ...[
    [0, RIGHT - 40 + 56, 104],
    [0.6, RIGHT + 16, 104],
    [1.3, RIGHT + 56, 104],
  ],
  ...[
    [5.8, RIGHT + 56, 104],
    [6.5, RIGHT + 168, 104],
    [7.2, RIGHT + 168, 104],
    [7.9, RIGHT + 190, 244],
  ],
]);
token('right-other', 'Placed', [
  ...[
    [0, RIGHT + 56, 174],
    [0.6, RIGHT + 56, 174],
    [1.3, RIGHT + 168, 174],
  ],
  ...[
    [2.4, RIGHT + 168, 174],
    [3.1, RIGHT + 306, 174],
  ],
]);
shown('right-failure', text(RIGHT + 272, 116, 'failure', 'fails, again in its place'), {
  from: 2.2,
  to: 5.2,
});
shown('right-other-done', text(RIGHT + 318, 216, 'quiet', 'continues'), { from: 3.1 });
shown('right-verdict', text(RIGHT + 18, 294, 'good', '✓ placed, then paid'), { from: 8 });

export const overtaking = picture({
  ...{ width: WIDTH, height: HEIGHT, css: css.join('\n'), body: shapes.join('\n') },
  title: 'Why order per aggregate is hard, and how lanes keep it',
  description:
    'Left: in a queue group worker 1 fails to handle Placed of order 7. While it waits to come again, worker 2 ' +
    'handles Paid: the order is paid before it was placed. Right: with one lane per order Placed is tried again in ' +
    'its place, Paid waits for it, and order 8 continues.',
});
