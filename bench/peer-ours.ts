// Our service for the peers suite; arguments as in peers/worker.js.
import 'reflect-metadata';
import { controllerFor, Service } from './contenders/service.js';
import { eventOf, HandledEvents, publishAll, serve } from './peer-work.js';
import { optionsFor } from './workload.js';

const [, role, url = '', name = '', ...work] = process.argv.slice(2);
const [events = 0, keys = 1, maxMs = 0, failShare = 0] = work.map(Number);
const handled = new HandledEvents({ events, maxMs, failShare });
const controller = controllerFor(name, (_payload, context) =>
  handled.handle(context.aggregateId, context.aggregateVersion ?? 0),
);
const options = optionsFor(url, [name], { group: 'bench' });
const service = await Service.start(options, role === 'consume' ? [controller] : [], undefined, []);
const publisher = service.publisher(name);
serve(service, handled, () =>
  publishAll(events, (index) => {
    const { aggregateId, version, text } = eventOf(index, keys);
    return publisher.publish({ aggregateId, type: 'Counted', payload: { text }, aggregateVersion: version });
  }),
);
