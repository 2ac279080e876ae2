// What the dashboard shows: questions of an operator, the most urgent first, and the panels that answer them.
//
// Names are those of Prometheus. Its OTLP receiver adds units to names (`_seconds`), the exporter of the JavaScript SDK
// does not: where they differ, a query takes both.

const WHERE = 'messaging_destination_name=~"$topic"';
const GROUP = `${WHERE},messaging_consumer_group_name=~"$group"`;
const TOPIC_GROUP = 'messaging_destination_name, messaging_consumer_group_name';
const NAMED = '{{messaging_destination_name}} · {{messaging_consumer_group_name}}';
export const OWN = 'aggregate_transport';
const RATE = '[$__rate_interval]';

/** A metric of a group; `unit` is what some names end in. */
const group = (name, unit, more = '') =>
  unit === undefined
    ? `${OWN}_${name}{${GROUP}${more}}`
    : `{__name__=~"${OWN}_${name}(_${unit})?",${GROUP}${more}}`;
const topic = (name) => `${OWN}_${name}{${WHERE}}`;
const perGroup = (how, query) => `${how} by (${TOPIC_GROUP}) (${query})`;
const perSecond = (name) => `sum by (${TOPIC_GROUP}) (rate(${group(name)}${RATE}))`;
const quantile = (q) =>
  `histogram_quantile(${q}, sum by (le, ${TOPIC_GROUP}) ` +
  `(rate({__name__=~"messaging_process_duration(_seconds)?_bucket",${GROUP}}${RATE})))`;

export const ROWS = [
  [
    'Is something wrong?',
    table('What health names now', 'What each code means, and what to do: operations/health.md.', [
      [
        `sum by (aggregate_transport_problem_code, ${TOPIC_GROUP}) (${OWN}_problems{${WHERE}}) > 0`,
        'problem',
      ],
    ]),
    graph('Oldest event that is not settled', 's', 'Rises while something holds a group up.', [
      [perGroup('max', group('oldest_unsettled_age', 'seconds')), NAMED],
    ]),
    graph('Lag', 'short', 'Events stored and not settled.', [[perGroup('sum', group('lag')), NAMED]]),
  ],
  [
    'Do events get through?',
    graph('Published', 'ops', 'Events stored a second, and publish calls that failed.', [
      [
        `sum by (messaging_destination_name) (rate(messaging_client_sent_messages_total{${WHERE}}${RATE}))`,
        '{{messaging_destination_name}}',
      ],
      [
        `sum by (messaging_destination_name) (rate(${OWN}_publisher_failed_total{${WHERE}}${RATE}))`,
        '{{messaging_destination_name}} failed',
      ],
    ]),
    graph('Handled', 'ops', 'Attempts that ended, by the stage they failed in.', [
      [
        `sum by (${TOPIC_GROUP}, error_type) (rate(messaging_client_consumed_messages_total{${GROUP}}${RATE}))`,
        `${NAMED} {{error_type}}`,
      ],
    ]),
    graph('Duration of a handler', 's', 'p50 and p99 of an attempt.', [
      [quantile(0.5), `${NAMED} p50`],
      [quantile(0.99), `${NAMED} p99`],
    ]),
  ],
  [
    'Which aggregates need help?',
    graph('Parked aggregates', 'short', 'Parked now.', [
      [perGroup('sum', group('aggregates_parked_current')), NAMED],
    ]),
    graph('Letters', 'ops', 'Stored, replayed, and failed again.', [
      [perSecond('letters_stored_total'), `${NAMED} stored`],
      [perSecond('letters_replayed_total'), `${NAMED} replayed`],
      [perSecond('letters_failed_total'), `${NAMED} failed`],
    ]),
    graph('Attempts that failed', 'ops', 'Repeated in place, or of aggregates tried for ever.', [
      [perSecond('attempts_retried_total'), `${NAMED} retried`],
      [perSecond('attempts_blocked_total'), `${NAMED} blocked`],
    ]),
    graph('Passed over', 'ops', 'Ignored, skipped, crashed or lost: each is an event that no handler took.', [
      [perSecond('events_ignored_total'), `${NAMED} ignored`],
      [perSecond('events_skipped_total'), `${NAMED} skipped`],
      [perSecond('events_crashed_total'), `${NAMED} crashed`],
      [perSecond('events_lost_total'), `${NAMED} lost`],
    ]),
    graph('Breaker', 'short', '1 while most attempts fail and nothing is parked.', [
      [perGroup('max', group('breaker_open', 'ratio')), NAMED],
    ]),
  ],
  [
    'Who owns what?',
    graph('Partitions owned', 'short', 'By process, as each tells of its own.', [
      [`count by (instance, ${TOPIC_GROUP}) (${group('lanes')})`, `{{instance}} ${NAMED}`],
    ]),
    graph('Leases', 'ops', 'Taken, and lost rather than released.', [
      [perSecond('leases_total'), `${NAMED} taken`],
      [perSecond('leases_lost_total'), `${NAMED} lost`],
    ]),
    graph('Readers and claims', 'ops', 'Many readers without reconnects: another program pulls from them.', [
      [perSecond('readers_total'), `${NAMED} readers`],
      [perSecond('claims_total'), `${NAMED} claims`],
    ]),
    graph('Time until a partition works', 's', 'Mean of a claim, and of a reader.', [
      [mean('claim_duration'), `${NAMED} claim`],
      [mean('reader_duration'), `${NAMED} reader`],
    ]),
  ],
  [
    'Is there room?',
    graph('Handlers that run', 'short', 'At most consume.concurrency a process and topic.', [
      [perGroup('sum', group('handlers_running')), NAMED],
    ]),
    graph('Aggregates in memory', 'short', 'Lanes, and events in them.', [
      [perGroup('sum', group('lanes')), `${NAMED} lanes`],
      [perGroup('sum', group('buffered_events')), `${NAMED} events`],
    ]),
    graph('Bodies in memory', 'bytes', 'At most consume.maxBufferedBytes a process and topic.', [
      [perGroup('sum', group('buffered_size', 'bytes')), NAMED],
    ]),
    graph('Publisher', 'short', 'Events without an outcome; aggregates whose outcome is unknown.', [
      [`sum by (messaging_destination_name) (${topic('publisher_pending')})`, 'pending'],
      [`sum by (messaging_destination_name) (${topic('publisher_unknown')})`, 'unknown aggregates'],
    ]),
    graph('Parked and live again', 'ops', 'Aggregates a second.', [
      [perSecond('aggregates_parked_total'), `${NAMED} parked`],
      [perSecond('aggregates_unparked_total'), `${NAMED} live again`],
    ]),
  ],
  [
    'Outbox (nestjs-aggregate-transport-postgres)',
    graph('Rows that wait', 'short', 'Up to 100 000; and aggregates that are stopped.', [
      [`max by (messaging_destination_name) (${topic('outbox_lag')})`, '{{messaging_destination_name}}'],
      [
        `max by (messaging_destination_name) (${topic('outbox_stopped_current')})`,
        '{{messaging_destination_name}} stopped',
      ],
    ]),
    graph('Oldest row that waits', 's', 'Rises while no relay publishes.', [
      [
        `max by (messaging_destination_name) ({__name__=~"${OWN}_outbox_oldest_age(_seconds)?",${WHERE}})`,
        '{{messaging_destination_name}}',
      ],
    ]),
    graph('Rows published', 'ops', 'And attempts made again.', [
      [
        `sum by (messaging_destination_name) (rate(${topic('outbox_published_total')}${RATE}))`,
        '{{messaging_destination_name}}',
      ],
      [
        `sum by (messaging_destination_name) (rate(${topic('outbox_retried_total')}${RATE}))`,
        '{{messaging_destination_name}} retried',
      ],
      [
        `sum by (messaging_destination_name) (increase(${topic('outbox_stopped_total')}${RATE}))`,
        '{{messaging_destination_name}} stopped',
      ],
    ]),
    graph('Relays', 'short', 'Shards that are relayed, and rows in memory.', [
      [
        `sum by (messaging_destination_name) ({__name__=~"${OWN}_outbox_relaying(_ratio)?",${WHERE}})`,
        '{{messaging_destination_name}}',
      ],
      [
        `sum by (messaging_destination_name) (${topic('outbox_buffered_rows')})`,
        '{{messaging_destination_name}} rows',
      ],
    ]),
    graph('Rows in memory', 'bytes', 'Bytes of their events.', [
      [
        `sum by (messaging_destination_name) ({__name__=~"${OWN}_outbox_buffered_size(_bytes)?",${WHERE}})`,
        '{{messaging_destination_name}}',
      ],
    ]),
  ],
];

function mean(name) {
  const part = (which) =>
    `sum by (${TOPIC_GROUP}) (rate({__name__=~"${OWN}_${name}(_seconds)?_${which}",${GROUP}}${RATE}))`;
  return `${part('sum')} / ${part('count')}`;
}

function graph(title, unit, description, queries) {
  return {
    type: 'timeseries',
    title,
    description,
    fieldConfig: {
      defaults: { unit, min: 0, custom: { fillOpacity: 10, showPoints: 'never' } },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'list', placement: 'bottom' },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    targets: targetsOf(queries, {}),
  };
}

function table(title, description, queries) {
  return {
    type: 'table',
    title,
    description,
    fieldConfig: { defaults: {}, overrides: [] },
    options: { showHeader: true },
    targets: targetsOf(queries, { format: 'table', instant: true }),
    transformations: [{ id: 'organize', options: { excludeByName: { Time: true } } }],
  };
}

function targetsOf(queries, more) {
  return queries.map(([expr, legendFormat], index) => ({
    refId: String.fromCharCode('A'.charCodeAt(0) + index),
    expr,
    legendFormat,
    ...more,
  }));
}
