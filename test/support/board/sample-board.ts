import { systemClock } from '#board/clock.js';
import type { BoardHttpOptions } from '#board/http/board-http.js';
import { BoardServer } from '#board/http/board-server.js';
import { sample, type Sample, SampleSource } from './sample-source.js';

export interface SampleBoard {
  readonly url: string;
  readonly sample: Sample;
  readonly log: string[];
  readonly close: () => Promise<void>;
}

/** A board over a fake source, on a free port of this machine. */
export async function startSampleBoard(
  options: Partial<BoardHttpOptions> = {},
  known: Sample = sample(),
  port = 0,
): Promise<SampleBoard> {
  const log: string[] = [];
  const server = await BoardServer.listen(
    {
      ...{ source: new SampleSource(known), clock: systemClock, access: { kind: 'loopback' }, everyMs: 100 },
      ...{ payloads: true, isReadOnly: false, traceUrl: 'https://traces.example/trace/{traceId}' },
      log: { info: (text) => log.push(text), warn: (text) => log.push(text) },
      ...options,
    },
    { host: '127.0.0.1', port },
  );
  return { url: `http://127.0.0.1:${server.port}/`, sample: known, log, close: () => server.close() };
}
