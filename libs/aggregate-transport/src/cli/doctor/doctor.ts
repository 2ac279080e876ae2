import type { Clock } from '../../clock.js';
import { AggregateTransportError, describeError } from '../../errors.js';
import {
  checkAccount,
  checkClock,
  checkGroup,
  checkIdle,
  checkMissing,
  checkOldConsumers,
  checkPermissions,
  checkRoom,
  checkSettings,
  checkUnknown,
  checkWindow,
  type GroupSeen,
} from '../../operating/doctor/checks.js';
import { silentLog } from '../../log.js';
import { type Finding, isHealthy } from '../../operating/doctor/finding.js';
import { inParallel } from '../../in-parallel.js';
import { isDenied, JetStreamApi } from '../../stream/api/jetstream-api.js';
import type { StreamRequest } from '../../stream/api/provision.js';
import { msOf } from '../../stream/api/time.js';
import { Connection } from '../../stream/connection/connection.js';
import type { KnownGroup } from '../../records/group-on-server.js';
import { groupsOnServer } from '../../stream/groups/known-groups.js';
import { oldConsumersOf } from '../../stream/groups/old-consumers.js';
import { DoctorWire, type ExaminedStream } from '../../stream/topics/doctor-wire.js';
import type { ResolvedOptions, ResolvedTopic } from '../../transport/resolve-options.js';
import type { Surroundings } from '../command/command.js';
import { tableOf } from '../command/table.js';
import type { Terminal } from '../command/terminal.js';
import { serviceOptions } from './service-options.js';
import { jsonLine } from '../command/json-line.js';

export interface DoctorArguments {
  readonly module: string | undefined;
  readonly topic: string | undefined;
  readonly group: string | undefined;
  readonly json: boolean;
  /** A server is named on the command line, or in the environment: not that of the module. */
  readonly hasServer: boolean;
}

/** A topic to examine, with the options of a service if they are known. */
interface Patient {
  readonly topic: string;
  readonly groups: readonly string[];
  readonly options: ResolvedTopic | undefined;
  readonly known: readonly KnownGroup[];
}

/** Resolves with the exit code: 1 if anything fails. */
export async function examine(
  args: DoctorArguments,
  { terminal, clock, connected }: Surroundings,
): Promise<number> {
  const findings: Finding[] = [];
  const options = args.module === undefined ? undefined : await optionsOf(args.module, findings);
  try {
    const asService = args.hasServer || options === undefined ? connected : connectedAs(options);
    await asService(async (connection) => {
      findings.push(...(await examineServer(connection, clock)));
      for (const patient of await patientsOf(connection, args, options))
        findings.push(...(await examineTopic(connection, patient, clock)));
      return 0;
    });
  } catch (error) {
    if (!(error instanceof AggregateTransportError)) throw error;
    const todo = 'correct what it names; --server or NATS_URL names the server, --creds the user';
    findings.push({ check: 'connection', level: 'fail', found: describeError(error), todo });
  }
  print(findings, args.json, terminal);
  return isHealthy(findings) ? 0 : 1;
}

/** As the service does: what its user may do is what matters. */
function connectedAs({ connection }: ResolvedOptions): Surroundings['connected'] {
  return async (use) => {
    const name = 'aggregate-transport-doctor';
    const opened = await Connection.open(connection, name, silentLog, { mayWait: false });
    try {
      return await use(opened);
    } finally {
      await opened.close();
    }
  };
}

async function optionsOf(file: string, findings: Finding[]): Promise<ResolvedOptions | undefined> {
  try {
    const found = await serviceOptions(file);
    if ('options' in found) {
      const { topics, group } = found.options;
      const says = `${topics.size} topics, ${group === undefined ? 'no group' : `group "${group}"`}`;
      findings.push({ check: 'module', level: 'ok', found: says });
      return found.options;
    }
    const todo = 'compared with what every service needs instead; name topics with --topic';
    findings.push({ check: 'module', level: 'warn', found: found.why, todo });
  } catch (error) {
    if (!(error instanceof AggregateTransportError)) throw error;
    findings.push({
      check: 'module',
      level: 'fail',
      found: describeError(error),
      todo: 'correct the options',
    });
  }
  return undefined;
}

async function examineServer(connection: Connection, clock: Clock): Promise<Finding[]> {
  const api = new JetStreamApi(connection);
  const began = clock.now();
  const account = await orWhyNot(() => new DoctorWire(connection, api).account());
  const roundTripMs = Math.round(clock.now() - began);
  const server = `nats-server ${connection.serverVersion}, ${roundTripMs} ms away, max_payload ${connection.maxPayloadBytes}`;
  const reached: Finding = { check: 'connection', level: 'ok', found: server };
  if ('why' in account) {
    const todo = 'grant $JS.API.INFO to this user, or ask the operator how much room is left';
    return [reached, { check: 'account', level: 'warn', found: account.why, todo }];
  }
  const { storage, memory, streams, limits, domain } = account;
  const where = domain === undefined ? 'on' : `on, in domain "${domain}"`;
  return [
    reached,
    { check: 'JetStream', level: 'ok', found: `${where}, ${streams} streams in this account` },
    ...checkAccount({
      ...{ storage, memory, streams, maxStorage: limits.max_storage },
      ...{ maxMemory: limits.max_memory, maxStreams: limits.max_streams },
    }),
  ];
}

/** A user may be allowed less than a doctor asks for. */
async function orWhyNot<T extends object>(ask: () => Promise<T>): Promise<T | { readonly why: string }> {
  try {
    return await ask();
  } catch (error) {
    if (!isDenied(error)) throw error;
    return { why: describeError(error) };
  }
}

async function patientsOf(
  connection: Connection,
  { topic, group }: DoctorArguments,
  options: ResolvedOptions | undefined,
): Promise<Patient[]> {
  const access = { connection, api: new JetStreamApi(connection) };
  const known = (of: string | undefined): Promise<KnownGroup[]> =>
    groupsOnServer(access, { topic: of, group });
  const named = options === undefined ? undefined : [...options.topics.keys()];
  const names = named ?? (topic === undefined ? (await known(undefined)).map((one) => one.topic) : [topic]);
  return inParallel([...new Set(names)], 1, async (name) => {
    const found = await orWhyNot(() => known(name));
    const its = 'why' in found ? [] : found;
    const groups = [group, options?.group, ...its.map((one) => one.group)].filter((one) => one !== undefined);
    return { topic: name, groups: [...new Set(groups)], options: options?.topics.get(name), known: its };
  });
}

async function examineTopic(connection: Connection, patient: Patient, clock: Clock): Promise<Finding[]> {
  const { topic, groups, options } = patient;
  const wire = new DoctorWire(connection, new JetStreamApi(connection));
  const hasGroup = groups.length > 0;
  const permissions = checkPermissions(topic, await wire.permissions(topic, hasGroup));
  // What may not be read cannot be compared; the permissions say so.
  if (permissions.some(({ found }) => found.includes('STREAM.INFO'))) return permissions;
  const asked = clock.now();
  const streams = await wire.streams(topic, options && requestOf(options, connection), hasGroup);
  const roundTripMs = clock.now() - asked;
  const seen = await seenGroups(wire, patient);
  const isUnknown = options === undefined && streams[0]?.info === undefined && seen.every(isNew);
  const missing = { provision: options?.provision ?? 'ensure', hasRun: !seen.every(isNew) };
  return [
    ...permissions,
    ...(isUnknown ? [checkUnknown(topic)] : []),
    ...streams.flatMap((stream) => streamFindings(topic, stream, missing)),
    ...seen.map((group) => checkGroup(topic, group)),
    ...(await ownFindings(connection, patient, { own: streams[0], clock, roundTripMs })),
    ...idleFindings(patient),
  ];
}

/** What the server knows of each group. A user that may not read that was told so. */
async function seenGroups(
  wire: DoctorWire,
  { topic, groups, known, options }: Patient,
): Promise<GroupSeen[]> {
  return inParallel(groups, 1, async (group) => {
    const record = known.find((one) => one.group === group && one.hasRecord);
    const of = { group, partitions: record?.partitions, isNamed: options === undefined };
    if (record !== undefined) return { ...of, trace: undefined };
    const asked = await orWhyNot(async () => ({ trace: await wire.traceOf(topic, group) }));
    const trace = 'why' in asked ? undefined : asked.trace;
    // Its lease alone names it; one that was never renewed proves no claim.
    return {
      ...of,
      trace: trace ?? (known.some((one) => one.group === group) ? 'a lease of it' : undefined),
    };
  });
}

/** Nothing of it has to be there: it has not started, or is deleted. */
function isNew({ partitions = 0, trace }: GroupSeen): boolean {
  return partitions === 0 && trace === undefined;
}

function requestOf(options: ResolvedTopic, { serverVersion }: Connection): StreamRequest {
  const { name: topic, provision, stream, explicitStream: explicit } = options;
  return { topic, provision, options: stream, explicit, serverVersion };
}

/** What the topic's own stream tells besides its settings. */
async function ownFindings(
  connection: Connection,
  { topic, groups, options }: Patient,
  { own, clock, roundTripMs }: { own: ExaminedStream | undefined; clock: Clock; roundTripMs: number },
): Promise<Finding[]> {
  if (own?.info === undefined) return [];
  const { config, ts } = own.info;
  const api = new JetStreamApi(connection);
  const old = await Promise.all(groups.map((group) => oldConsumersOf(api, topic, group)));
  const clocks = ts === undefined ? [] : [checkClock(Date.parse(ts), clock.wallNow(), roundTripMs)];
  const giveUpAfterMs = options?.publish.giveUpAfterMs;
  const window =
    giveUpAfterMs === undefined ? [] : [checkWindow(topic, msOf(config.duplicate_window), giveUpAfterMs)];
  return [...clocks, ...window, checkOldConsumers(topic, old.flat())];
}

function idleFindings({ topic, groups, options, known }: Patient): Finding[] {
  if (options === undefined || groups.length === 0) return [];
  const { pullExpiresMs, leaseTtlMs, partitions: first } = options.consume;
  const partitions = known[0]?.partitions ?? first;
  return [{ ...checkIdle({ topics: [{ partitions, pullExpiresMs, leaseTtlMs }] }), topic }];
}

function streamFindings(
  topic: string,
  { name, info, differences }: ExaminedStream,
  missing: { readonly provision: string; readonly hasRun: boolean },
): Finding[] {
  if (info === undefined) return [checkMissing(topic, name, missing)];
  const { config, state } = info;
  const findings = checkSettings(topic, name, differences);
  if (config.discard !== 'new') return findings;
  return [
    ...findings,
    ...[
      { used: state.bytes, limit: config.max_bytes, option: 'max_bytes' },
      { used: state.messages, limit: config.max_msgs, option: 'max_msgs' },
    ].flatMap((room) => (room.limit > 0 ? [checkRoom(topic, name, room)] : [])),
  ];
}

function print(findings: readonly Finding[], json: boolean, terminal: Terminal): void {
  if (json) {
    for (const finding of findings) terminal.print(jsonLine('finding', finding));
    return;
  }
  const rows = findings.map(({ level, topic = '', check, found }) => [level, topic, check, found]);
  terminal.print(tableOf(['', 'TOPIC', 'CHECK', 'FOUND'], rows, 120));
  const todos = findings.flatMap(({ level, topic, check, todo }) =>
    todo === undefined ? [] : [`${level}: ${topic === undefined ? '' : `${topic}, `}${check}: ${todo}`],
  );
  if (todos.length > 0) terminal.print(`\n${[...new Set(todos)].join('\n')}`);
}
