import { storeBacklog } from '../backlog.js';
import { OpenBoard } from '../contenders/open-board.js';
import { Reading, trivial } from '../contenders/reading.js';
import type { Goal } from '../goal.js';
import type { Contender, Sample } from '../section.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';

const EVENTS = 400_000;
const AGGREGATES = 100_000;
const CLOSED = 'without a board';
const OPEN = 'with its first page open';
const FIRST = 'a page that is opened meanwhile';
const TOPIC = 'watched';

const goals: Goal[] = [
  {
    text: 'throughput while the board is open',
    section: 'open',
    contender: OPEN,
    metric: 'rate',
    against: CLOSED,
    atLeast: 0.99,
  },
  {
    text: 'first data on the page, in ms',
    section: 'first',
    contender: FIRST,
    metric: 'first',
    atMost: 1_000,
  },
];

const VIEW = '?view=overview';

/** The same work, while a board in another process has a page open. Its start is not measured. */
function watched(url: string, inner: Contender): Contender {
  return withBoard(url, OPEN, async (board, round) => {
    await board.open(VIEW);
    return inner.run(round);
  });
}

/** How long a page takes to its first data, while the work runs. */
function firstData(url: string, inner: Contender): Contender {
  return withBoard(url, FIRST, async (board, round) => {
    const [, first] = await Promise.all([inner.run(round), board.open(VIEW)]);
    return { first };
  });
}

function withBoard(
  url: string,
  name: string,
  work: (board: OpenBoard, round: number) => Promise<Sample>,
): Contender {
  return {
    name,
    run: async (round) => {
      const board = await OpenBoard.start(url);
      try {
        return await work(board, round);
      } finally {
        await board.stop();
      }
    },
  };
}

async function run(bench: Bench): Promise<void> {
  const { url } = bench.server;
  const streams = await Streams.open(url);
  const events = bench.scaled(EVENTS, 200);
  try {
    await storeBacklog(url, streams, TOPIC, { events, aggregates: AGGREGATES });
    const reading = new Reading({ url, streams, topic: TOPIC, events });
    await bench.compare({
      id: 'open',
      title: `${events} stored events of ${AGGREGATES} aggregates, trivial handler`,
      metrics: [
        { key: 'rate', unit: 'events/s', better: 'more' },
        { key: 'cpu', unit: 'client µs', better: 'less' },
      ],
      baseline: CLOSED,
      contenders: [reading.nest(CLOSED, trivial), watched(url, reading.nest(OPEN, trivial))],
    });
    await bench.compare({
      id: 'first',
      title: 'its first data, from the request for the page on',
      metrics: [{ key: 'first', unit: 'ms', better: 'less' }],
      baseline: FIRST,
      maxRounds: 3,
      contenders: [firstData(url, reading.nest('the work', trivial))],
    });
    await streams.remove(TOPIC);
  } finally {
    await streams.close();
  }
}

export const board: Suite = {
  name: 'board',
  about: 'what an open board costs a group of 100 000 aggregates, and how soon its page has data',
  goals,
  run,
};
