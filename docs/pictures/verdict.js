// A run of the demo as a picture: its own output, line by line, with the result in colour.
import { escape, picture } from './svg.js';

const LINE = 19;
const TOP = 46;
const WIDTH = 860;
const MAX_CHARS = 102;

const css = `.line{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre}
.holds{fill:var(--good);font-weight:600}.broken{fill:var(--bad);font-weight:600}.event{fill:var(--bad)}
.command{fill:var(--quiet)}.bar{fill:var(--panel);stroke:var(--line)}`;

/** One line with what holds, or does not, in colour. */
function lineOf(text) {
  const shown = escape(text);
  if (text.startsWith('$')) return `<tspan class="command">${shown}</tspan>`;
  if (text.startsWith('killed')) return `<tspan class="event">${shown}</tspan>`;
  return shown
    .replace(/holds$|^every promise held$/, (found) => `<tspan class="holds">${found}</tspan>`)
    .replace(/BROKEN$|^A PROMISE WAS BROKEN$/, (found) => `<tspan class="broken">${found}</tspan>`);
}

/** A long line in two, at a space. */
function wrapped(line) {
  const end = line.length <= MAX_CHARS ? line.length : line.lastIndexOf(' ', MAX_CHARS);
  return end === line.length ? [line] : [line.slice(0, end), `  ${line.slice(end + 1)}`];
}

/** `output` is what the command printed. */
export function verdict(command, output) {
  const lines = [`$ ${command}`, ...output.trimEnd().split('\n').flatMap(wrapped)].map((line) =>
    line.trimEnd(),
  );
  const height = TOP + lines.length * LINE + 14;
  const body = [
    `<rect class="bar" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>`,
    ...['var(--bad)', 'var(--quiet)', 'var(--good)'].map(
      (colour, index) => `<circle cx="${20 + index * 18}" cy="20" r="5.5" fill="${colour}" opacity="0.7"/>`,
    ),
    ...lines.map(
      (line, index) =>
        `<text class="line" x="20" y="${TOP + index * LINE}" xml:space="preserve">${lineOf(line)}</text>`,
    ),
  ].join('\n');
  const last = lines.at(-1) ?? '';
  return picture({
    ...{ width: WIDTH, height, css, body, title: `${command}: ${last}` },
    description: lines.slice(1).join('\n'),
  });
}
