import { expect, test } from '@jest/globals';
import { describeFailure } from '#board/failure.js';
import { LiveView, type Viewer } from '#board/live/live-view.js';
import { ManualClock, settled } from './manual-clock.js';

class Page implements Viewer {
  readonly heard: string[] = [];
  readonly tell = (event: string, data: string): void => void this.heard.push(`${event} ${data}`);
}

function world(read: () => Promise<unknown>) {
  const clock = new ManualClock();
  const view = new LiveView({ clock, read, describe: describeFailure, everyMs: 2_000, lateMs: 5_000 });
  return { clock, view };
}

test('reads once for all its viewers, and tells a later one what is known at once', async () => {
  let reads = 0;
  const { clock, view } = world(() => Promise.resolve(++reads));
  const pages = [new Page(), new Page(), new Page()];
  view.add(pages[0]!);
  view.add(pages[1]!);
  await settled();
  view.add(pages[2]!);
  expect(pages.map(({ heard }) => heard)).toEqual([['view 1'], ['view 1'], ['view 1']]);
  await clock.pass(2_000);
  expect(reads).toBe(2);
  expect(pages[2]!.heard).toEqual(['view 1', 'view 2']);
});

test('reads nothing without a viewer, and at once when one comes back', async () => {
  let reads = 0;
  const { clock, view } = world(() => Promise.resolve(++reads));
  const page = new Page();
  view.add(page);
  await settled();
  view.remove(page);
  await clock.pass(60_000);
  expect({ reads, planned: clock.planned }).toEqual({ reads: 1, planned: 0 });
  view.add(page);
  await settled();
  expect(reads).toBe(2);
});

test('a viewer that leaves and comes back while it reads causes no second read', async () => {
  const reads: ((value: unknown) => void)[] = [];
  const { view } = world(() => new Promise((resolve) => reads.push(resolve)));
  const page = new Page();
  view.add(page);
  view.remove(page);
  view.add(page);
  expect(reads).toHaveLength(1);
  reads[0]!('there');
  await settled();
  expect(page.heard).toEqual(['view "there"']);
});

test('reads what is slow to read less often: a fifth of the time at most', async () => {
  const clock = new ManualClock();
  const starts: number[] = [];
  const read = (): Promise<unknown> => {
    starts.push(clock.wallNow());
    return new Promise((resolve) => clock.after(3_000, () => resolve(0)));
  };
  const view = new LiveView({ clock, read, describe: describeFailure, everyMs: 2_000, lateMs: 5_000 });
  view.add(new Page());
  await clock.pass(60_000);
  expect(starts.map((at) => at - starts[0]!)).toEqual([0, 15_000, 30_000, 45_000, 60_000]);
});

test('tells a failure and a late answer, keeps what is known, and reads again', async () => {
  let answer: () => Promise<unknown> = () => Promise.resolve('first');
  const { clock, view } = world(() => answer());
  const page = new Page();
  view.add(page);
  await settled();
  answer = () => Promise.reject(Object.assign(new Error('expected a server, found none'), { code: 'AWAY' }));
  await clock.pass(2_000);
  answer = () => new Promise((resolve) => clock.after(6_000, () => resolve('late')));
  await clock.pass(8_000);
  expect(page.heard).toEqual([
    'view "first"',
    'trouble {"code":"AWAY","text":"expected a server, found none"}',
    expect.stringContaining('trouble {"code":"late"'),
    'view "late"',
  ]);
});

test('reads at once after a change', async () => {
  let reads = 0;
  const { view } = world(() => Promise.resolve(++reads));
  view.add(new Page());
  await settled();
  view.refresh();
  await settled();
  expect(reads).toBe(2);
});
