import { appendFileSync, readFileSync } from 'node:fs';

/** One start or end of a handler, as a replica wrote it down. */
export interface JournalLine {
  readonly replica: string;
  readonly what: 'started' | 'handled' | 'failed';
  readonly order: string;
  /** 1, 2, 3, … per order, as the publisher numbered its events. */
  readonly version: number;
}

/** What the journal says of all replicas together. */
export interface JournalReport {
  readonly lines: number;
  /** Different events that were handled. */
  readonly handled: number;
  /** Events that were handled more than once: after the kill, from the last confirmed position on. */
  readonly handledAgain: number;
  /** First attempts that failed, and were tried again in their place. */
  readonly failed: number;
  /** An event that started before its predecessor was handled. */
  readonly orderViolations: number;
  /** An event that started while another one of its order ran, in either replica. */
  readonly overlaps: number;
  /** Events that each replica handled. */
  readonly perReplica: ReadonlyMap<string, number>;
}

/** Appended before the call returns, so a SIGKILL takes no line along. Both replicas append to one file. */
export function note(file: string, { replica, what, order, version }: JournalLine): void {
  appendFileSync(file, `${replica} ${what} ${order} ${version}\n`);
}

export function readJournal(file: string): JournalLine[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [replica = '', what = '', order = '', version = ''] = line.split(' ');
      return { replica, what: what as JournalLine['what'], order, version: Number(version) };
    });
}

/** What is known of one order while the journal is read. */
interface Story {
  /** The highest version that was handled. */
  highest: number;
  /** The version that was handled last, and where. */
  last: number;
  replica: string;
  running: { replica: string; version: number } | undefined;
  readonly handled: Set<number>;
}

/**
 * Judges the order of all events from outside. Per order they start one after the other. After the kill they come
 * again without a hole. What the killed replica had started has ended with it. `killed` is undefined before.
 */
export function judge(lines: readonly JournalLine[], killed: string | undefined): JournalReport {
  const stories = new Map<string, Story>();
  const perReplica = new Map<string, number>();
  let [handledAgain, failed, orderViolations, overlaps] = [0, 0, 0, 0];
  for (const line of lines) {
    const story = stories.get(line.order) ?? newStory();
    stories.set(line.order, story);
    if (line.what === 'started') {
      const endedByKill = story.running?.replica === killed && line.replica !== killed;
      if (story.running !== undefined && !endedByKill) overlaps++;
      if (!mayStart(story, line, killed)) orderViolations++;
      story.running = line;
      continue;
    }
    story.running = undefined;
    if (line.what === 'failed') failed++;
    else {
      if (story.handled.has(line.version)) handledAgain++;
      perReplica.set(line.replica, (perReplica.get(line.replica) ?? 0) + 1);
      story.handled.add(line.version);
      story.last = line.version;
      story.replica = line.replica;
      story.highest = Math.max(story.highest, line.version);
    }
  }
  const handled = [...stories.values()].reduce((sum, story) => sum + story.handled.size, 0);
  return { lines: lines.length, handled, handledAgain, failed, orderViolations, overlaps, perReplica };
}

const newStory = (): Story => ({ highest: 0, last: 0, replica: '', running: undefined, handled: new Set() });

/** The next event of its order; or, where the killed replica handled it last, one that comes again. */
function mayStart(story: Story, { replica, version }: JournalLine, killed: string | undefined): boolean {
  if (version === story.last + 1) return true;
  return story.replica === killed && replica !== killed && version <= story.highest;
}
