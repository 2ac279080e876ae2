import 'reflect-metadata';
import { publisherOf, startApp } from '../../support/app.js';
import { TOPIC } from '../consumer/scenario.js';
import { OutboxRelay } from './outbox-relay.js';
import { OutboxTable } from './outbox-table.js';

// The process of a service that publishes its outbox and ends when every row is marked.

const { url, folder } = JSON.parse(process.env['FAULT_OUTBOX'] ?? '{}') as { url: string; folder: string };
process.on('disconnect', () => process.exit(1));
const app = await startApp({
  options: {
    servers: url,
    topics: { [TOPIC]: {} },
    // Gives up soon, so that the relay meets unknown outcomes.
    stream: { duplicateWindowMs: 60_000 },
    publish: { giveUpAfterMs: 1_500 },
  },
  publishers: [TOPIC],
});
const table = new OutboxTable(folder);
new OutboxRelay(publisherOf(app, TOPIC), table, () => {
  void app.close().then(() => process.exit(0));
}).start();
