// Writes dashboard.json, the Grafana dashboard: `node make-dashboard.js`. A test compares the two.
import { writeFileSync } from 'node:fs';
import { OWN, ROWS } from './dashboard-rows.js';

const WIDTH = 24;
const HEIGHT = 8;

function panels() {
  const all = [];
  let y = 0;
  for (const [question, ...inRow] of ROWS) {
    all.push({
      type: 'row',
      title: question,
      collapsed: false,
      gridPos: { x: 0, y, w: WIDTH, h: 1 },
      panels: [],
    });
    y += 1;
    // At most three side by side, so that a panel can be read on a small screen.
    for (let from = 0; from < inRow.length; from += 3) {
      const side = inRow.slice(from, from + 3);
      const w = Math.floor(WIDTH / side.length);
      side.forEach((panel, index) => all.push({ ...panel, gridPos: { x: index * w, y, w, h: HEIGHT } }));
      y += HEIGHT;
    }
  }
  const datasource = { type: 'prometheus', uid: '${datasource}' };
  return all.map((panel, index) => ({
    id: index + 1,
    ...panel,
    ...(panel.type !== 'row' && { datasource }),
    ...(panel.type !== 'row' && { targets: panel.targets.map((target) => ({ datasource, ...target })) }),
  }));
}

function variable(name, label, query) {
  return {
    ...{ name, label, type: 'query', query: { query, refId: name } },
    ...{ datasource: { type: 'prometheus', uid: '${datasource}' } },
    ...{ multi: true, includeAll: true, refresh: 2, sort: 1, current: { text: 'All', value: '$__all' } },
  };
}

export function dashboard() {
  return {
    title: 'Aggregate transport',
    uid: 'aggregate-transport',
    description: 'Ordered event transport: what is wrong, what gets through, which aggregates need help.',
    tags: ['nats', 'nestjs'],
    schemaVersion: 39,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' },
        variable(
          'topic',
          'topic',
          'label_values(messaging_client_sent_messages_total, messaging_destination_name)',
        ),
        variable('group', 'group', `label_values(${OWN}_leases_total, messaging_consumer_group_name)`),
      ],
    },
    panels: panels(),
  };
}

if (process.argv[1] === import.meta.filename)
  writeFileSync(new URL('dashboard.json', import.meta.url), `${JSON.stringify(dashboard(), undefined, 2)}\n`);
