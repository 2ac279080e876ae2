import type { SettingDifference } from '../../records/setting-difference.js';
import type { Finding, Level } from './finding.js';

/** What an account may use and what it uses; -1 is no limit. */
export interface AccountUse {
  readonly storage: number;
  readonly maxStorage: number;
  readonly memory: number;
  readonly maxMemory: number;
  readonly streams: number;
  readonly maxStreams: number;
}

const WARN_AT = 0.8;
const FAIL_AT = 0.98;
const CLOCK_WARN_MS = 1_000;
const CLOCK_FAIL_MS = 60_000;
const MIB = 2 ** 20;

/** Leases do not go by the wall clock; times that an operator names do. Pure. */
export function checkClock(serverMs: number, ownMs: number, roundTripMs: number): Finding {
  const difference = Math.max(0, Math.abs(serverMs - ownMs) - roundTripMs);
  const found = `this machine and the server differ by ${Math.round(difference)} ms`;
  if (difference < CLOCK_WARN_MS) return { check: 'clock', level: 'ok', found };
  const todo =
    'set both clocks by NTP: startAt and group reset take times of the server, leases need no common clock';
  return { check: 'clock', level: difference < CLOCK_FAIL_MS ? 'warn' : 'fail', found, todo };
}

/** Pure. */
export function checkAccount(use: AccountUse): Finding[] {
  const rows = [
    ['storage', use.storage, use.maxStorage, 'raise max_store of the account, or shrink topics (topic edit)'],
    ['memory', use.memory, use.maxMemory, 'raise max_mem of the account'],
    [
      'streams',
      use.streams,
      use.maxStreams,
      'raise max_streams: a topic needs three, and all topics share two',
    ],
  ] as const;
  return rows.map(([what, used, limit, todo]) =>
    roomFinding({ check: `account ${what}` }, { used, limit, todo }),
  );
}

/** How full a stream is that refuses what is too much. Pure. */
export function checkRoom(
  topic: string,
  stream: string,
  { used, limit, option }: { readonly used: number; readonly limit: number; readonly option: string },
): Finding {
  return roomFinding(
    { check: `room in ${stream}`, topic },
    { used, limit, todo: `raise ${option} on the stream` },
  );
}

function roomFinding(
  of: Pick<Finding, 'check' | 'topic'>,
  { used, limit, todo }: { readonly used: number; readonly limit: number; readonly todo: string },
): Finding {
  if (limit <= 0) return { ...of, level: 'ok', found: `${shown(used)} used, no limit` };
  const share = used / limit;
  const found = `${shown(used)} of ${shown(limit)} used (${Math.round(100 * share)} %)`;
  if (share < WARN_AT) return { ...of, level: 'ok', found };
  return { ...of, level: share < FAIL_AT ? 'warn' : 'fail', found, todo };
}

function shown(amount: number): string {
  return amount < MIB ? String(amount) : `${Math.round(amount / MIB)} MiB`;
}

/** One line for each setting that differs, or one that says that none does. Pure. */
export function checkSettings(
  topic: string,
  stream: string,
  differences: readonly SettingDifference[],
): Finding[] {
  const check = `settings of ${stream}`;
  if (differences.length === 0) return [{ check, topic, level: 'ok', found: 'as they must be' }];
  return differences.map(({ setting, expected, found, remedy, todo }) => ({
    check,
    topic,
    level: 'fail',
    found: `expected ${setting} ${expected}, found ${found}`,
    todo: todo ?? remedy,
  }));
}

/** A stream that is missing. `hasRun`: a group of the topic has left something, so it was there. Pure. */
export function checkMissing(
  topic: string,
  stream: string,
  { provision, hasRun }: { readonly provision: string; readonly hasRun: boolean },
): Finding {
  const of = { check: `settings of ${stream}`, topic };
  if (hasRun) {
    const found = 'not there, although a group of the topic has run: it is lost';
    const todo = 'start nothing; restore it with the topic (docs/operations.md, Backup and restore)';
    return { ...of, level: 'fail', found, todo };
  }
  if (provision === 'ensure') return { ...of, level: 'ok', found: 'not there; the first start makes it' };
  return {
    ...of,
    level: 'fail',
    found: `not there, and stream.provision is "${provision}"`,
    todo: 'create it, or set stream.provision to "ensure"',
  };
}

/** What is known of a group: its record, or what it has left without one. */
export interface GroupSeen {
  readonly group: string;
  /** Undefined without a record, 0 if it is deleted. */
  readonly partitions: number | undefined;
  /** A key or letter that a group leaves only when it has run. */
  readonly trace: string | undefined;
  /** It is named by who asks, not by the options of a service. */
  readonly isNamed: boolean;
}

/** Whether a group can continue where it stood. Pure. */
export function checkGroup(topic: string, { group, partitions, trace, isNamed }: GroupSeen): Finding {
  const of = { check: `group ${group}`, topic };
  if (partitions === 0)
    return { ...of, level: 'ok', found: 'deleted; its next start begins a new group of this name' };
  if (partitions !== undefined)
    return { ...of, level: 'ok', found: `${partitions} partitions; group show ${topic} ${group} tells more` };
  if (trace !== undefined) {
    const todo = `restore the five streams, or stop its processes and run: group reset ${topic} ${group} --to start`;
    return { ...of, level: 'fail', found: `its record is lost: there is ${trace}`, todo };
  }
  if (!isNamed) return { ...of, level: 'ok', found: 'has not started; its first start makes its record' };
  const found = 'nothing of it is on this server';
  return { ...of, level: 'warn', found, todo: `check the name (group list ${topic}), or start its service` };
}

/** A topic that is named by who asks, and has no stream. Pure. */
export function checkUnknown(topic: string): Finding {
  const found = 'no stream of this name, and no group of it';
  const todo = 'check the name and the server; its first start or publish makes the stream';
  return { check: 'topic', topic, level: 'warn', found, todo };
}

/** The duplicate window, against the time for which publishers repeat. Pure. */
export function checkWindow(topic: string, windowMs: number, giveUpAfterMs: number): Finding {
  const of = { check: 'duplicate window', topic };
  const found = `${windowMs} ms, publishers give up after ${giveUpAfterMs} ms`;
  if (windowMs >= giveUpAfterMs + COPIES_STOP_BEFORE_WINDOW_MS) return { ...of, level: 'ok', found };
  const todo = `topic edit ${topic} --duplicate-window ${giveUpAfterMs + COPIES_STOP_BEFORE_WINDOW_MS}ms, or lower publish.giveUpAfterMs`;
  return { ...of, level: 'fail', found, todo };
}

/** Pure. */
export function checkPermissions(
  topic: string | undefined,
  answers: readonly { readonly subject: string; readonly for: string; readonly isAllowed: boolean }[],
): Finding[] {
  const of = { check: 'permissions', ...(topic === undefined ? {} : { topic }) };
  const refused = answers.filter(({ isAllowed }) => !isAllowed);
  if (refused.length === 0)
    return [{ ...of, level: 'ok', found: `${answers.length} subjects, none is refused` }];
  return refused.map(({ subject, for: what }) => ({
    ...of,
    level: OPTIONAL.test(subject) ? 'warn' : 'fail',
    found: `${subject} is refused, which is for ${what}`,
    todo: 'grant it (docs/operations.md, Permissions)',
  }));
}

/** Without these, messages are read and removed one by one. */
const OPTIONAL = /\.(DIRECT\.GET|STREAM\.PURGE)\./;

/** Pure. */
export function checkOldConsumers(topic: string, found: readonly string[]): Finding {
  const of = { check: 'old consumers', topic };
  if (found.length === 0) return { ...of, level: 'ok', found: 'none' };
  return {
    ...of,
    level: 'fail',
    found: `${found.length} durable consumers of a release that had them, ${found[0] ?? ''} for one`,
    todo: `stop every replica of that release, then nats consumer rm ${topic} ${found[0] ?? ''}`,
  };
}

/** What one replica that owns everything asks while nothing happens. */
export interface IdleLoad {
  readonly topics: readonly {
    readonly partitions: number;
    readonly pullExpiresMs: number;
    readonly leaseTtlMs: number;
  }[];
}

const SETTINGS_LOOK_MS = 4_000;
const SETTINGS_REQUESTS = 5;
const RENEWALS_PER_TTL = 4;
const MS = 1_000;
const IDLE_WARN = 500;

/** Pulls, renewals of sessions and looks at settings; publishing costs nothing while idle. Pure. */
export function idleRequestsPerSecond({ topics }: IdleLoad): number {
  const each = topics.map(
    ({ partitions, pullExpiresMs, leaseTtlMs }) =>
      (partitions * MS) / pullExpiresMs +
      (RENEWALS_PER_TTL * MS) / leaseTtlMs +
      (SETTINGS_REQUESTS * MS) / SETTINGS_LOOK_MS,
  );
  return each.reduce((sum, one) => sum + one, 0);
}

/** Pure. */
export function checkIdle(load: IdleLoad): Finding {
  const perSecond = idleRequestsPerSecond(load);
  const level: Level = perSecond < IDLE_WARN ? 'ok' : 'warn';
  const found = `about ${perSecond.toFixed(1)} requests a second for the group while nothing happens`;
  const todo = 'fewer partitions, or a longer consume.pullExpiresMs';
  return { check: 'idle cost', level, found, ...(level === 'ok' ? {} : { todo }) };
}

/** As in `resolve-options`: copies of an event stop that long before the window ends. */
const COPIES_STOP_BEFORE_WINDOW_MS = 15_000;
