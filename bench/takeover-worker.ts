// One replica of a group, for the suite `takeover`: URL TOPIC GROUP TTL JOURNAL. It writes down each handled event. Without
// a journal its handler never ends for the stream's first event. It says when it is ready, and how it stands when asked.
import { Door } from './contenders/door.js';
import { Journal } from './journal.js';
import { optionsFor } from './workload.js';

const [url = '', topic = '', group = '', ttl = '', path = ''] = process.argv.slice(2);
const HUNG_SEQUENCE = 1;

const journal = path === '' ? undefined : new Journal(path);
const options = { ...optionsFor(url, [topic], { consume: { leaseTtlMs: Number(ttl) } }), group };
const door = await Door.open(options, topic, ({ sequence }) => {
  if (journal !== undefined) journal.add(sequence);
  else if (sequence === HUNG_SEQUENCE) return new Promise<undefined>(() => undefined);
  return undefined;
});
process.on('message', ({ kind }: { kind: string }) => {
  if (kind === 'stop') void door.close().then(() => process.exit(0));
  else process.send?.({ kind: 'told', isOwner: door.partitions[0]?.consumer.mode === 'running' });
});
process.on('disconnect', () => process.exit(0));
process.send?.({ kind: 'ready' });
