import { Test } from '@nestjs/testing';
import {
  AggregateServer,
  AggregateTransportModule,
  getAggregatePublisherToken,
  ParkedAggregates,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';
import { describeParking } from './parking.contract.js';
import { describeTransport } from './transport.contract.js';
import { SMALL, TOPIC, TOPICS, type World } from './world.js';

let streams: TestingStreams;

const world: World = {
  open: () => {
    streams = new TestingStreams();
    return Promise.resolve();
  },
  async start(group, controller) {
    const module = await Test.createTestingModule({
      imports: [
        AggregateTransportTestingModule.forRoot({ group, topics: TOPICS }, streams),
        AggregateTransportModule.forFeature([TOPIC, SMALL]),
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

for (const describeContract of [describeTransport, describeParking])
  describeContract('streams in memory', world);
