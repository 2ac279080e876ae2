// One replica of a service, for the scaling suite: URL TOPIC GROUP PARTITIONS HANDLER_MS. It tells how many partitions
// it holds and how many events it has handled, whenever it is asked.
import 'reflect-metadata';
import { controllerFor, Service } from './contenders/service.js';
import { optionsFor } from './workload.js';

const [url = '', topic = '', group = '', partitions = '', handlerMs = ''] = process.argv.slice(2);
const ms = Number(handlerMs);
let handled = 0;
const controller = controllerFor(topic, async () => {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
  handled++;
});
const service = await Service.start(
  optionsFor(url, [topic], { group, consume: { partitions: Number(partitions), leaseTtlMs: 1_000 } }),
  [controller],
);
process.on('message', ({ kind }: { kind: string }) => {
  if (kind === 'stop') void service.close().then(() => process.exit(0));
  else {
    const running = service.partitions.filter(({ consumer }) => consumer.mode === 'running').length;
    process.send?.({ kind: 'told', running, handled });
  }
});
process.on('disconnect', () => process.exit(0));
process.send?.({ kind: 'ready' });
