import { Service } from './contenders/service.js';
import type { Streams } from './streams.js';
import { optionsFor, paddingFor, rawMessage } from './workload.js';

const BYTES = 256;

/** Makes a topic's stream and fills it: so many events of so many aggregates by turns, each numbered within its own. */
export async function storeBacklog(
  url: string,
  streams: Streams,
  topic: string,
  { events, aggregates }: { events: number; aggregates: number },
): Promise<void> {
  // Made by the library, which refuses a stream that is not.
  const maker = await Service.start(optionsFor(url, [topic]));
  await maker.publisher(topic).flush();
  await maker.close();
  const payload = { text: paddingFor(BYTES) };
  await streams.fill(topic, events, (index) =>
    rawMessage(topic, `a${index % aggregates}`, payload, 1 + Math.floor(index / aggregates)),
  );
}
