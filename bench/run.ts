// Runs benches: `npm run bench -- [NAME …] [--rounds N] [--scale PART] [--server VERSION] [--cluster] [--quick] [--json]
// [--list]`.
// See README.md beside this file.
import 'reflect-metadata';
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { freePorts } from '#library/testing/nats/nats-process.js';
import { type NatsServer, startNatsCluster, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { type Environment, environment } from './environment.js';
import { judge } from './goal.js';
import { measure, type RunProgress } from './measure.js';
import type { Section } from './section.js';
import type { Bench, Suite } from './suite.js';
import { SUITES } from './suites.js';
import { svgOf } from './svg.js';
import { goalsTable, tableOf } from './table.js';

const RESULTS = 'bench/results';
/** Streams reserve their limits; how much disk there really is does not matter to benches that write little of it. */
const LIMITS = 'jetstream { max_file_store: 1TB, max_memory_store: 1GB }';
const SMOKE_SCALE = 0.004;
const QUICK_SCALE = 0.02;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    /** Part of the full work to do. */
    scale: { type: 'string', default: '1' },
    /** Version of nats-server, such as `2.10`; its results have files of their own. */
    server: { type: 'string' },
    /** Three servers and three replicas of each stream; its results have files of their own. */
    cluster: { type: 'boolean', default: false },
    /** One small round of each section, no files; goals are shown but mean nothing. */
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    /** Write no files. */
    dry: { type: 'boolean', default: false },
  },
});
const SERVERS_IN_CLUSTER = 3;
if (values.cluster) process.env['BENCH_REPLICAS'] = String(SERVERS_IN_CLUSTER);
const isSmall = values.smoke || values.quick;
const rounds = isSmall ? 1 : Number(values.rounds);
const scale = values.smoke ? SMOKE_SCALE : values.quick ? QUICK_SCALE : Number(values.scale);
const show = values.json ? console.error : console.log;

/** On a terminal one line that is written over, elsewhere a line per step. */
function progressTo(stream: NodeJS.WriteStream): RunProgress & { clear(): void } {
  const clear = (): void => {
    if (stream.isTTY) stream.write('\r\u001b[2K');
  };
  return {
    clear,
    step: (text) => {
      if (stream.isTTY) stream.write(`\r\u001b[2K${text.slice(0, stream.columns - 1)}`);
      else stream.write(`… ${text}\n`);
    },
  };
}

interface SuiteResult {
  readonly suite: string;
  readonly environment: Environment;
  readonly rounds: number;
  readonly seconds: number;
  readonly sections: readonly Section[];
}

interface StartedServers {
  readonly server: NatsServer;
  readonly monitorUrl: string;
  readonly stop: () => Promise<void>;
}

async function startServers({
  servers = values.cluster ? SERVERS_IN_CLUSTER : 1,
}: Suite): Promise<StartedServers> {
  const { server: version } = values;
  if (servers > 1) {
    const cluster = await startNatsCluster(servers, version);
    return { server: cluster.servers[0]!, monitorUrl: '', stop: () => cluster.stop() };
  }
  const [port] = await freePorts(1);
  const config = `${LIMITS}\nhttp: "127.0.0.1:${port}"`;
  const server = await startNatsServer({ config, ...(version === undefined ? {} : { version }) });
  return { server, monitorUrl: `http://127.0.0.1:${port}`, stop: () => server.stop() };
}

async function runSuite(suite: Suite): Promise<SuiteResult> {
  const startedAt = performance.now();
  const { server, monitorUrl, stop } = await startServers(suite);
  const around = environment(server.version);
  const sections: Section[] = [];
  const progress = progressTo(process.stderr);
  const bench: Bench = {
    server,
    monitorUrl,
    scale,
    scaled: (full, least = 1) => Math.max(least, Math.round(full * scale)),
    compare: async (comparison) => {
      const limits = isSmall ? { warmUps: 0, rounds: 1 } : {};
      const section = await measure({ ...comparison, ...limits }, rounds, progress);
      progress.clear();
      show(`\n${tableOf(section)}`);
      sections.push(section);
      return section;
    },
  };
  show(
    `\n## ${suite.name}: ${suite.about}\n\n` +
      `commit ${around.commit}, Node ${around.node}, nats-server ${around.natsServer}, ${around.cores} × ${around.cpu}, ` +
      `load ${around.load}; median (lowest–highest) of ${rounds} rounds, ratios round by round`,
  );
  try {
    await suite.run(bench);
  } finally {
    await stop();
  }
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  if (values.quick) show('\nThe goals of a quick run show only that each is measured.');
  if (suite.goals.length > 0 && !values.smoke)
    show(`\n${goalsTable(suite.goals.map((goal) => judge(goal, sections)))}`);
  show(`\n${suite.name}: ${seconds} s`);
  return { suite: suite.name, environment: around, rounds, seconds, sections };
}

async function write(result: SuiteResult): Promise<void> {
  await mkdir(RESULTS, { recursive: true });
  const name =
    result.suite +
    (values.cluster ? '-on-three' : '') +
    (values.server === undefined ? '' : `-on-${values.server}`);
  await writeFile(`${RESULTS}/${name}.json`, `${JSON.stringify(result, undefined, 1)}\n`);
  for (const section of result.sections)
    await writeFile(`${RESULTS}/${name}-${section.id}.svg`, svgOf(section));
}

/** Each suite in a process of its own: what one has compiled, or left on its heap, must not help or harm the next. */
function runApart(name: string): Promise<boolean> {
  const flags = process.argv.slice(2).filter((arg) => arg !== 'all' && !positionals.includes(arg));
  const args = [...process.execArgv, fileURLToPath(import.meta.url), name, ...flags];
  return new Promise((resolve) => {
    spawn(process.execPath, args, { stdio: 'inherit' }).once('exit', (code) => resolve(code === 0));
  });
}

const named = positionals.filter((name) => name !== 'all');
const unknown = named.find((name) => !SUITES.some((suite) => suite.name === name));
const isNumberWrong = !Number.isSafeInteger(rounds) || rounds < 1 || !(scale > 0);
if (values.list || unknown !== undefined || isNumberWrong) {
  if (unknown !== undefined) console.error(`there is no suite "${unknown}"; there are:`);
  for (const { name, about } of SUITES) console.log(`${name.padEnd(15)} ${about}`);
  process.exitCode = values.list ? 0 : 1;
} else if (named.length === 1) {
  const suite = SUITES.find(({ name }) => name === named[0]);
  const result = await runSuite(suite!);
  if (values.json) console.log(JSON.stringify(result));
  if (!isSmall && !values.dry) await write(result);
} else {
  for (const suite of SUITES) {
    if (named.length > 0 ? !named.includes(suite.name) : values.smoke && !suite.isQuick) continue;
    if (values.smoke) await runSuite(suite);
    else if (!(await runApart(suite.name))) process.exitCode = 1;
  }
}
