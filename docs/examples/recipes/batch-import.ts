import { createReadStream, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  AggregateTransportModule,
  defineTopic,
  getAggregatePublisherToken,
  type PublisherOf,
} from 'nestjs-aggregate-transport';

interface Reading {
  readonly meter: string;
  readonly watts: number;
}
export const readings = defineTopic<{ MeterRead: { watts: number } }>('readings');
type Readings = PublisherOf<typeof readings>;

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222',
      topics: { readings: {} },
    }),
    AggregateTransportModule.forFeature([readings]),
  ],
})
class ImportModule {}

// #region import
const CHUNK = 500;

/** The id of a line's event is the same in every run. */
const eventOf = (line: string, number: number, file: string) => {
  const { meter, watts } = JSON.parse(line) as Reading;
  return { aggregateId: meter, type: 'MeterRead' as const, eventId: `${file}:${number}`, payload: { watts } };
};

/** Which of these ids the stream holds, however long ago they were stored. */
async function storedIds(publisher: Readings, aggregateIds: ReadonlySet<string>): Promise<Set<string>> {
  const found = new Set<string>();
  for (const id of aggregateIds) for await (const { eventId } of publisher.read(id)) found.add(eventId);
  return found;
}

/** Imports a file line by line. Run it again after any end: it continues after the last chunk that was stored. */
async function importFile(publisher: Readings, file: string, name: string): Promise<number> {
  const checkpoint = `${file}.done`;
  let done = existsSync(checkpoint) ? Number(readFileSync(checkpoint, 'utf8')) : 0;
  let isFirst = true;
  for await (const lines of chunksOf(file, done)) {
    let events = lines.map((line, index) => eventOf(line, done + index + 1, name));
    if (isFirst) {
      // The run before may have stored some of these, and ended before it wrote that down.
      const stored = await storedIds(publisher, new Set(events.map(({ aggregateId }) => aggregateId)));
      events = events.filter(({ eventId }) => !stored.has(eventId));
      isFirst = false;
    }
    await publisher.publishAll(events); // in file order for each meter, meters side by side
    done += lines.length;
    writeFileSync(`${checkpoint}.new`, String(done));
    renameSync(`${checkpoint}.new`, checkpoint);
  }
  return done;
}
// #endregion

/** The lines after the first `skip`, some at a time. */
async function* chunksOf(file: string, skip: number): AsyncGenerator<string[]> {
  let chunk: string[] = [];
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    if (++number <= skip) continue;
    if (chunk.push(line) < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

const [, , file = '', name = 'readings'] = process.argv;
const app = await NestFactory.createApplicationContext(ImportModule, { logger: ['error', 'warn'] });
const done = await importFile(app.get<Readings>(getAggregatePublisherToken(readings)), file, name);
console.log(`${done} lines are stored`);
await app.close();
