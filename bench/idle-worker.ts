// One replica of a service that has nothing to do, for the suite `idle`: URL TOPICS PARTITIONS. It tells how many partitions
// it holds, and its processor time and memory, when it is asked.
import 'reflect-metadata';
import { controllerFor, Service } from './contenders/service.js';
import { optionsFor } from './workload.js';

const [url = '', count = '', partitions = ''] = process.argv.slice(2);
const topics = Array.from({ length: Number(count) }, (_, index) => `idle-${index}`);
const options = optionsFor(url, topics, { group: 'g', consume: { partitions: Number(partitions) } });
const service = await Service.start(
  options,
  topics.map((topic) => controllerFor(topic, () => undefined)),
);
process.on('message', ({ kind }: { kind: string }) => {
  if (kind === 'stop') void service.close().then(() => process.exit(0));
  else {
    const running = service.partitions.filter(({ consumer }) => consumer.mode === 'running').length;
    const { user, system } = process.cpuUsage();
    process.send?.({ kind: 'told', running, cpuMs: (user + system) / 1_000, rss: process.memoryUsage.rss() });
  }
});
process.on('disconnect', () => process.exit(0));
process.send?.({ kind: 'ready' });
