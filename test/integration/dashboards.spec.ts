import { afterAll, expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { readFileSync } from 'node:fs';
import { AggregateHandler, UnrecoverableError } from 'nestjs-aggregate-transport';
import { parse } from 'yaml';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { readQuery } from '../support/promql/selectors.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();
const open: { close(): Promise<unknown> }[] = [];

afterAll(async () => {
  for (const opened of open.splice(0).reverse()) await opened.close();
});

@Controller()
class Refusing {
  @AggregateHandler('orders')
  handle(): void {
    throw new UnrecoverableError('the card is blocked');
  }
}

/** Names of all series that Prometheus would scrape, with their labels and values. */
async function scraped(exporter: PrometheusExporter): Promise<string[]> {
  const { resourceMetrics, errors } = await exporter.collect();
  expect(errors).toEqual([]);
  return new PrometheusSerializer()
    .serialize(resourceMetrics)
    .split('\n')
    .filter((line) => /^\w+\{/.test(line));
}

test('what is scraped from a service raises the alert for its parked aggregate, and every panel of groups has series', async () => {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const provider = new MeterProvider({ readers: [exporter] });
  const app = await startApp({
    options: {
      servers: server().url,
      group: 'billing',
      topics: { orders: {} },
      metrics: { meter: provider.getMeter('test') },
    },
    publishers: ['orders'],
    controllers: [Refusing],
  });
  open.push(app, { close: () => provider.shutdown() });
  await publisherOf(app, 'orders').publish({ aggregateId: 'o1', type: 'Placed', payload: {} });
  const parked = /^aggregate_transport_problems\{.*problem_code="parked".*\} 1/;
  await eventually('the problem', async () => (await scraped(exporter)).some((line) => parked.test(line)));

  const lines = await scraped(exporter);
  const labels = (line: string): string[] => [...line.matchAll(/(\w+)="/g)].map(([, label]) => label!);
  const { groups } = parse(readFileSync('libs/aggregate-transport/observability/alerts.yaml', 'utf8')) as {
    groups: { rules: { alert: string; expr: string }[] }[];
  };
  for (const { alert, expr } of groups[0]!.rules) {
    for (const { names, labels: asked } of readQuery(expr).selectors) {
      // A loss was never seen here.
      const series = lines.filter((line) => names.test(/^\w+/.exec(line)![0]));
      expect([alert, series.length > 0]).toEqual([alert, true]);
      for (const label of asked) expect(series.flatMap(labels)).toContain(label);
    }
  }
});
