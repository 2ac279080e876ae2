// Takes the pictures of docs/pictures: `npm run pictures:board`. Needs /usr/bin/chromium.
import { mkdir } from 'node:fs/promises';
import { look, startBrowser } from '../browser/browser.js';
import { startSampleBoard } from './sample-board.js';

const FOLDER = process.argv[2] ?? 'docs/pictures';
const SHOTS = [
  { name: 'board-light', hash: '#/', dark: false, width: 1_120, height: 900 },
  { name: 'board-dark', hash: '#/', dark: true, width: 1_120, height: 900 },
  {
    name: 'board-aggregate',
    hash: '#/aggregate/orders/order-4711',
    dark: false,
    width: 1_120,
    height: 1_050,
  },
  { name: 'board-narrow', hash: '#/', dark: false, width: 360, height: 1_200 },
] as const;

const board = await startSampleBoard();
const browser = await startBrowser();
await mkdir(FOLDER, { recursive: true });
for (const { name, hash, ...how } of SHOTS) {
  const { page, context } = await look(browser, how);
  await page.goto(board.url + hash);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.screenshot({ path: `${FOLDER}/${name}.png`, animations: 'disabled' });
  await context.close();
}
await browser.close();
await board.close();
