import type { AggregateTransportOptions } from 'nestjs-aggregate-transport';
import { Service } from './contenders/service.js';
import type { Streams } from './streams.js';
import { optionsFor, paddingFor, rawMessage, withHeaderLines } from './workload.js';

const BYTES = 256;

export interface BacklogSize {
  readonly events: number;
  readonly aggregates: number;
  /** How the stream is made, where that differs from the defaults of the benches. */
  readonly stream?: AggregateTransportOptions['stream'];
  /** Header lines of an event, each with its line break after it. */
  readonly headersOf?: (index: number) => string;
}

/** Makes a topic's stream by the library, which refuses a stream that it has not made. */
export async function makeTopic(
  url: string,
  topic: string,
  stream: AggregateTransportOptions['stream'] = {},
): Promise<void> {
  const maker = await Service.start(optionsFor(url, [topic], { stream }));
  await maker.publisher(topic).flush();
  await maker.close();
}

/** Makes a topic's stream and fills it: so many events of so many aggregates by turns, each numbered within its own. */
export async function storeBacklog(
  url: string,
  streams: Streams,
  topic: string,
  { events, aggregates, stream, headersOf }: BacklogSize,
): Promise<void> {
  await makeTopic(url, topic, stream);
  const payload = { text: paddingFor(BYTES) };
  await streams.fill(topic, events, (index) => {
    const message = rawMessage(topic, `a${index % aggregates}`, payload, 1 + Math.floor(index / aggregates));
    return headersOf === undefined ? message : withHeaderLines(message, headersOf(index));
  });
}
