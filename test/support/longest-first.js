// Starts the longest files first: one that begins last keeps a processor waiting at the end. Jest knows times only from
// an earlier run, which a fresh clone has not had; without them it goes by the size of a file.
import Sequencer from '@jest/test-sequencer';

/** Files of more than 15 s, the longest first. Others follow by what Jest knows of them. */
const LONGEST = [
  'integration/verify',
  'site/site',
  'integration/board/pages',
  'integration/access/ways-in',
  'integration/package',
  'integration/demo',
  'integration/postgres/relay/relay-cli',
  'integration/losses',
  'integration/examples/database-recipes',
  'faults/parking/steps',
  'integration/retention-near',
  'faults/stories/killers',
  'integration/poison-event',
  'faults/stories/failover',
  'integration/postgres/outbox-order',
  'faults/stories/order-survives-faults',
  'faults/stories/lost-lease',
  'integration/examples/stream-recipes',
  'faults/stories/processes',
  'integration/nest-features/long-outage',
  'integration/edited-readers',
  'integration/stream/readers',
  'integration/aggregates',
  'faults/parking/replay',
  'integration/settings-watch',
  'faults/stories/owner-steps',
  'integration/recipes/keys',
  'integration/public-client',
  'integration/board/in-nest',
  'faults/publisher/publish-promises',
  'integration/positions',
  'integration/postgres/relay/relay-faults',
  'integration/plain-publisher',
  'integration/recipes/max-payload',
  'faults/postgres/postgres-faults',
  'integration/board/command',
  'faults/parking/late-writes',
  'faults/parking/killer',
  'integration/recipes/backup',
  'integration/postgres/relay/relay-network',
  'faults/resets/resets-survive',
];
const RANKS = new Map(LONGEST.map((name, index) => [name, index]));

function rankOf({ path }) {
  const name = /[/\\]test[/\\](.*)\.spec\.ts$/.exec(path)?.[1]?.replaceAll('\\', '/') ?? '';
  return RANKS.get(name) ?? LONGEST.length;
}

export default class LongestFirst extends Sequencer.default {
  sort(tests) {
    // Stable: those without a rank stay in the order of Jest.
    return [...super.sort(tests)].sort((a, b) => rankOf(a) - rankOf(b));
  }
}
