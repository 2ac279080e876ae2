/* global document, requestAnimationFrame, location, window, URLSearchParams */
import './buffer.js';
import { seeded } from './chance.js';
import { Run } from './run.js';

const FRAME_MS = 40;
const asked = new URLSearchParams(location.search);
const seed = Number(asked.get('seed') ?? 7);
const find = (id) => document.getElementById(id);
const [slider, pause, again] = [find('chaos'), find('pause'), find('again')];
const sides = { naive: find('naive'), ours: find('ours') };
let run;
let isPaused = false;

/** One row per aggregate: the events in the order in which their handlers began. */
function draw(list, side) {
  list.querySelector('.rows').replaceChildren(
    ...side.rows.map(({ key, begun, waiting }) => {
      const row = document.createElement('li');
      const name = document.createElement('span');
      name.className = 'name';
      name.textContent = `order ${key + 1}`;
      const marks = begun.slice(-14).map(({ n, mark, isEarly }) => {
        const one = document.createElement('span');
        one.className = `event ${mark}${isEarly ? ' early' : ''}`;
        one.textContent = String(n);
        one.title = `event ${n}: ${isEarly ? 'began too early' : mark}`;
        return one;
      });
      const rest = document.createElement('span');
      rest.className = 'waiting';
      rest.textContent = `${waiting} waiting`;
      row.append(name, ...marks, rest);
      return row;
    }),
  );
  const { violations, overlaps } = side.verdict;
  const isWhole = violations.length + overlaps.length === 0;
  const verdict = list.querySelector('.verdict');
  verdict.className = `verdict ${isWhole ? 'good' : 'bad'}`;
  verdict.textContent = `${side.handled} handled, ${side.overtaken} out of order`;
  list.querySelector('.oracle').textContent = isWhole
    ? 'The oracle found nothing wrong.'
    : `The oracle: ${[...violations, ...overlaps][0]}`;
}

function tellChaos() {
  run.chaos = Number(slider.value) / 100;
  find('chaos-value').textContent = `${slider.value} %`;
}

async function begin() {
  // The transport's own dice, such as the jitter of retries, fall the same way in each run of a seed.
  Math.random = seeded(seed);
  run = new Run(seed);
  window.playground = run;
  tellChaos();
  await run.start();
}

async function frame() {
  if (!isPaused && !document.hidden) await run.step(FRAME_MS);
  draw(sides.naive, run.naive);
  draw(sides.ours, run.ours);
  find('time').textContent = `${(run.simulatedMs / 1_000).toFixed(1)} s, ${run.replaced} replicas replaced`;
  requestAnimationFrame(() => void frame());
}

slider.addEventListener('input', tellChaos);
pause.addEventListener('click', () => {
  isPaused = !isPaused;
  pause.textContent = isPaused ? 'Continue' : 'Pause';
  pause.setAttribute('aria-pressed', String(isPaused));
});
again.addEventListener('click', () => void begin());
if (asked.has('chaos')) slider.value = asked.get('chaos');
await begin();
void frame();
