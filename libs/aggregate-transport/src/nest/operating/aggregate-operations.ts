import { Inject, Injectable } from '@nestjs/common';
import { ServerOperations } from '../../operations/server-operations.js';
import { TopicLinks } from '../../transport/open-topics.js';

/**
 * All that tools of operators see and do, over the connections that the application has: see `Operations` of
 * `nestjs-aggregate-transport/operating`. It reaches the topics that the application declares, and all their groups.
 */
@Injectable()
export class AggregateOperations extends ServerOperations {
  constructor(@Inject(TopicLinks) links: TopicLinks) {
    super(
      {
        topics: () => Promise.resolve([...links.options.topics.keys()].sort()),
        topic: async (name) => (await links.open(name)).wire.operated,
      },
      links.clock,
    );
  }
}
