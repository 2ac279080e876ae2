import { Test } from '@nestjs/testing';
import {
  AggregateServer,
  AggregateTransportModule,
  getAggregatePublisherToken,
  ParkedAggregates,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';
import type { MemoryKey } from '#library/testing/memory/memory-key.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { describeParking } from './parking.contract.js';
import { describePositions } from './positions.contract.js';
import { describeTransport } from './transport.contract.js';
import { NEW, SMALL, TOPIC, TOPICS, type World } from './world.js';

let streams: TestingStreams;

const positionOf = (group: string): MemoryKey<PositionRecord> => {
  const found = streams.memoryOf(TOPIC)?.group(group);
  if (found === undefined) throw new Error(`expected topic "${TOPIC}" to be open, found that it is not`);
  return found.partition({ layout: 0, partitions: 1, partition: 0 }).position;
};

const world: World = {
  server: {
    async deleteReaders() {
      for (const { known } of streams.memoryOf(TOPIC)?.groups ?? [])
        for (const { readers } of known) readers.deleteAll();
      await streams.settle();
    },
    position: (group) => Promise.resolve(positionOf(group).stored),
    writePosition: (group, record, revision) => positionOf(group).connect().write(record, revision),
  },
  open: () => {
    streams = new TestingStreams();
    return Promise.resolve();
  },
  async start(group, controller) {
    const module = await Test.createTestingModule({
      imports: [
        AggregateTransportTestingModule.forRoot({ group, topics: TOPICS }, streams),
        AggregateTransportModule.forFeature([TOPIC, SMALL, NEW]),
      ],
      controllers: controller === undefined ? [] : [controller],
    }).compile();
    const app = module.createNestApplication({ logger: false });
    if (controller !== undefined) app.connectMicroservice({ strategy: app.get(AggregateServer) });
    await app.init();
    if (controller !== undefined) await app.startAllMicroservices();
    return {
      publisher: app.get(getAggregatePublisherToken(TOPIC)),
      small: app.get(getAggregatePublisherToken(SMALL)),
      newOnly: app.get(getAggregatePublisherToken(NEW)),
      parked: app.get(ParkedAggregates),
      close: () => app.close(),
    };
  },
  settle: () => streams.settle(),
  advance: (ms) => streams.advance(ms),
  async until(what, condition) {
    await streams.settle();
    if (!(await condition()))
      throw new Error(`expected ${what} without a move of the clock, but it never was`);
  },
  close: () => Promise.resolve(),
};

for (const describeContract of [describeTransport, describePositions, describeParking])
  describeContract('streams in memory', world);
