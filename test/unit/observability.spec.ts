import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { silentLog } from '#library/log.js';
import type { InstrumentOptions, Meter } from '#library/observe/meter.js';
import { Measures } from '#library/observe/measures.js';
import { Metrics, type MetricsOptions } from '#library/observe/metrics.js';
import { RelayMetrics } from '#postgres/relay/operating/relay-metrics.js';
import type { OutboxLooks } from '#postgres/relay/operating/outbox-looks.js';
import { readQuery } from '../support/promql/selectors.js';
import { treesOf, unionOf } from '../support/source-texts.js';

const FOLDER = 'libs/aggregate-transport/observability';

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<'summary' | 'description' | 'page', string>>;
}

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string }[];
}

function read(path: string): string {
  return readFileSync(join(FOLDER, path), 'utf8');
}

const dashboard = JSON.parse(read('dashboard.json')) as { readonly panels: readonly Panel[] };
const alerts = (parse(read('alerts.yaml')) as { groups: { rules: Alert[] }[] }).groups.flatMap(
  ({ rules }) => rules,
);
/** The kinds of Kubernetes are written as a list of documents. */
const documents = [...parseAllDocuments(read('keda.yaml')), ...parseAllDocuments(read('hpa.yaml'))].map(
  (document) => document.toJS() as unknown,
);

/** Every instrument that the libraries make, by name. */
function instruments(): Map<string, InstrumentOptions & { kind: string }> {
  const made = new Map<string, InstrumentOptions & { kind: string }>();
  const make = (kind: string) => (name: string, options: InstrumentOptions) => {
    made.set(name, { ...options, kind });
    return { addCallback: () => undefined, removeCallback: () => undefined, record: () => undefined };
  };
  const meter: Meter = {
    createHistogram: make('histogram'),
    createObservableCounter: make('counter'),
    createObservableGauge: make('gauge'),
  };
  // Only made, never read.
  new Metrics({ meter } as MetricsOptions);
  new Measures({ meter, handlerDuration: true }, silentLog);
  new RelayMetrics(meter, [], {} as OutboxLooks);
  return made;
}

const SUFFIXES: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes', '1': '_ratio' };

/** As the exporter of the JavaScript SDK names it, and as Prometheus does that takes it by OTLP. */
function prometheusNames(): readonly (readonly [string, string])[] {
  return [...instruments()].flatMap(([name, { unit, kind }]) => {
    const plain = name.replaceAll(/\W/g, '_');
    const withUnit = `${plain}${SUFFIXES[unit] ?? ''}`;
    const ends = { counter: ['_total'], histogram: ['_bucket', '_sum', '_count'], gauge: [''] }[kind] ?? [];
    return ends.map((end): readonly [string, string] => [`${plain}${end}`, `${withUnit}${end}`]);
  });
}

/** Every label, as Prometheus writes an attribute. */
const ATTRIBUTES = new Set(
  [
    ...treesOf('libs/aggregate-transport/src/observe'),
    ...treesOf('libs/aggregate-transport-postgres/src/relay'),
  ]
    .flatMap(([, tree]) => tree.getFullText().match(/(?<=')[a-z_]+(\.[a-z_]+)+(?=')/g) ?? [])
    .map((attribute) => attribute.replaceAll('.', '_')),
);
const OF_PROMETHEUS = ['le', 'instance'];

const queries: [string, string][] = [
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => [`dashboard: ${title}`, expr] as [string, string]),
  ),
  ...alerts.map(({ alert, expr }) => [`alert: ${alert}`, expr] as [string, string]),
  [
    'keda.yaml',
    (documents[0] as { spec: { triggers: [{ metadata: { query: string } }] } }).spec.triggers[0].metadata
      .query,
  ],
];

test('the dashboard is what its script makes', async () => {
  const module = (await import(join(process.cwd(), FOLDER, 'make-dashboard.js'))) as { dashboard(): unknown };
  expect(dashboard).toEqual(JSON.parse(JSON.stringify(module.dashboard())));
});

test.each(queries)('%s asks for metrics and labels that exist, under both ways to name them', (_, expr) => {
  const { selectors, groupedBy } = readQuery(expr);
  expect(selectors.length).toBeGreaterThan(0);
  const names = prometheusNames();
  for (const selector of selectors) {
    const taken = names.filter((both) => both.some((name) => selector.names.test(name)));
    expect([selector.names, taken.length]).toEqual([selector.names, 1]);
    for (const [plain, withUnit] of taken) {
      expect(plain).toMatch(selector.names);
      expect(withUnit).toMatch(selector.names);
    }
  }
  for (const label of [...selectors.flatMap(({ labels }) => labels), ...groupedBy])
    expect([label, OF_PROMETHEUS.includes(label) || ATTRIBUTES.has(label)]).toEqual([label, true]);
});

test('the dashboard shows every metric there is', () => {
  const shown = dashboard.panels
    .flatMap(({ targets = [] }) => targets)
    .flatMap(({ expr }) => readQuery(expr).selectors)
    .map(({ names }) => names);
  const kinds = instruments();
  const missing = [...kinds.keys()].filter((name) => {
    const plain = name.replaceAll(/\W/g, '_');
    const ends = ['', '_total', '_bucket', '_count'];
    return !shown.some((names) => ends.some((end) => names.test(`${plain}${end}`)));
  });
  expect(missing).toEqual([]);
});

describe('alerts', () => {
  test('name every code of health, each once', () => {
    const codes = unionOf(
      treesOf('libs/aggregate-transport/src').get('observe/health-problem.ts')!,
      'HealthProblemCode',
    );
    const named = alerts
      .flatMap(({ expr }) => [...expr.matchAll(/aggregate_transport_problem_code=~?"([^"]+)"/g)])
      .flatMap(([, pattern = '']) => pattern.split('|'));
    expect(named.toSorted()).toEqual(codes.toSorted());
  });

  test('stand by name in the page that says what to run first, and no other does', () => {
    const page = readFileSync('docs/observability.md', 'utf8');
    const told = [...page.matchAll(/^\| `(AggregateTransport\w+)`/gm)].map(([, name]) => name);
    expect(told.toSorted()).toEqual(alerts.map(({ alert }) => alert).toSorted());
  });

  test('say what is wrong, what to do, and on which page of the manual', () => {
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
    for (const { annotations } of alerts) {
      expect(annotations.description).toMatch(/\.$/);
      const [page = '', section = ''] = annotations.page.split(/, (.*)/);
      const text = readFileSync(join('docs', page), 'utf8');
      const quoted = /"(.*)"/.exec(section)?.[1];
      const [head = '', code] = section.split(/(?:^| )codes? /);
      if (quoted !== undefined) expect(text).toContain(`## ${quoted}\n`);
      else if (code !== undefined) expect(text).toContain(`\`${code.split(' ')[0]}\``);
      else if (head !== '') expect(text.toLowerCase()).toContain(`## ${head.toLowerCase()}\n`);
    }
  });
});

test('scaling asks for the lag of one group, and for no more replicas than it says', () => {
  const kinds = documents.map((document) => (document as { kind?: string }).kind);
  expect(kinds).toEqual(['ScaledObject', undefined, 'HorizontalPodAutoscaler']);
  const [, rule] = documents as [
    unknown,
    { rules: { external: { seriesQuery: string; metricsQuery: string }[] } },
  ];
  const [external] = rule.rules.external;
  expect(prometheusNames().flat()).toContain(/"(\w+)"/.exec(external!.seriesQuery)?.[1]);
  readQuery(external!.metricsQuery.replace('<<.LabelMatchers>>', ''));
});

describe('compose', () => {
  interface Service {
    readonly volumes?: readonly string[];
    readonly build?: { readonly context: string; readonly dockerfile: string };
    readonly command?: readonly string[];
    readonly depends_on?: Readonly<Record<string, unknown>> | readonly string[];
  }
  const compose = parse(readFileSync('deploy/compose.yaml', 'utf8'), { merge: true }) as {
    services: Record<string, Service>;
    volumes: Record<string, unknown>;
  };
  const services = Object.entries(compose.services);

  test.each(services)('%s takes files that exist, and waits for services that exist', (_, service) => {
    for (const volume of service.volumes ?? []) {
      const [from = ''] = volume.split(':');
      expect([
        from,
        from.startsWith('.') ? existsSync(join('deploy', from)) : from in compose.volumes,
      ]).toEqual([from, true]);
    }
    const { depends_on: others = [] } = service;
    for (const other of Array.isArray(others) ? others : Object.keys(others))
      expect(compose.services).toHaveProperty(other as string);
    if (service.build === undefined) return;
    expect(existsSync(join('deploy', service.build.context, service.build.dockerfile))).toBe(true);
    const [, , preload = '', main = ''] = service.command ?? [];
    expect(existsSync(preload)).toBe(true);
    expect(existsSync(main.replace(/^dist\//, '').replace(/\.js$/, '.ts'))).toBe(true);
  });

  test('Prometheus scrapes both services where their metrics are served', () => {
    const { scrape_configs: jobs } = parse(readFileSync('deploy/prometheus.yaml', 'utf8')) as {
      scrape_configs: [{ static_configs: [{ targets: string[] }] }];
    };
    expect(jobs[0].static_configs[0].targets).toEqual(['orders:9464', 'billing:9464']);
    expect(readFileSync('deploy/metrics.js', 'utf8')).toContain('9464');
    expect(dirname('deploy/metrics.js')).toBe('deploy');
  });
});

test('a query that is no PromQL, or asks for a metric that is not there, turns these checks red', () => {
  expect(() => readQuery('sum by (a (b)')).toThrow('expected PromQL');
  const { selectors } = readQuery('rate(aggregate_transport_claim_total[5m])');
  expect(
    prometheusNames()
      .flat()
      .some((name) => selectors[0]!.names.test(name)),
  ).toBe(false);
});
