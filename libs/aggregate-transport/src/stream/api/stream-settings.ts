import { AggregateTransportError } from '../../errors.js';
import type { SettingDifference } from '../../records/setting-difference.js';
import type { StreamConfig } from './api-types.js';

/** A setting of a stream that a promise of this library depends on. */
export interface SettingRule {
  readonly setting: keyof StreamConfig;
  /** The value it must have, as an error text shows it. */
  readonly expected: string;
  readonly admits: (value: unknown) => boolean;
  /** What breaks with another value. */
  readonly because: string;
  /** What to do about it, if that is not to change the stream. */
  readonly remedy?: string;
  /** The part of a value that a text shows; without it, all. */
  readonly shown?: (value: unknown) => string;
}

const CHANGE_THE_STREAM =
  'change the stream (this library never changes one that exists), or use another name';

/** The setting must have this value. */
export function settingIs(
  setting: keyof StreamConfig,
  value: string | number | boolean,
  because: string,
): SettingRule {
  return { setting, expected: JSON.stringify(value), admits: (found) => found === value, because };
}

/** The setting must be absent: not set, empty, zero or false. */
export function settingIsUnset(setting: keyof StreamConfig, because: string): SettingRule {
  return { setting, expected: 'unset', admits: isUnset, because };
}

/** The setting is a limit that must not be set; the server writes that as -1 or 0. */
export function settingIsUnlimited(setting: keyof StreamConfig, because: string): SettingRule {
  return {
    setting,
    expected: '-1',
    admits: (found) => found === undefined || (typeof found === 'number' && found <= 0),
    because,
  };
}

/** The setting must be at least so large. */
export function settingIsAtLeast(setting: keyof StreamConfig, least: number, because: string): SettingRule {
  return {
    setting,
    expected: `of at least ${least}`,
    admits: (found) => typeof found === 'number' && found >= least,
    because,
  };
}

/** The setting must have this value, or be absent. */
function settingIsUnsetOr(setting: keyof StreamConfig, value: string | number, because: string): SettingRule {
  return {
    setting,
    expected: JSON.stringify(value),
    admits: (found) => isUnset(found) || found === value,
    because,
  };
}

/** The stream must hear these subjects and no others, in any order. */
export function subjectsAre(subjects: readonly string[]): SettingRule {
  const wanted = JSON.stringify([...subjects].sort());
  return {
    setting: 'subjects',
    expected: wanted,
    admits: (found) => Array.isArray(found) && JSON.stringify([...(found as string[])].sort()) === wanted,
    because: 'what is written there would not be stored, or something else would be stored beside it',
  };
}

/**
 * For every stream that this library reads or writes: what is published is stored as it is, confirmed, and stays.
 *
 * No promise depends on compression, placement, `allow_direct`, `republish`, `first_seq`, `allow_msg_ttl` or
 * `allow_msg_schedules`. Where nothing is removed one by one, none depends on `deny_delete` and `deny_purge`.
 *
 * A stream that is too small refuses what is written, as does a topic that takes too small messages or too few readers.
 * That is reported where it happens.
 */
export const STORES_AS_PUBLISHED: readonly SettingRule[] = [
  settingIs('retention', 'limits', 'with another retention each reader removes what it reads'),
  settingIsUnset('mirror', 'a mirror cannot be written to'),
  settingIsUnset('sources', 'messages of other streams would get sequences among ours'),
  settingIsUnset(
    'subject_transform',
    'messages would be stored under other subjects than they are read from',
  ),
  settingIsUnset('no_ack', 'a write without an answer never counts as stored'),
  settingIsUnset('sealed', 'a sealed stream takes no writes'),
  settingIsUnset('discard_new_per_subject', 'a subject would take no further message'),
  settingIsUnset('allow_msg_counter', 'the server would take counters only'),
  settingIsUnsetOr('persist_mode', 'default', 'a message would be confirmed before it is stored'),
];

/** For streams that this library alone writes, and whose messages it alone removes. */
export const KEEPS_EVERYTHING: readonly SettingRule[] = [
  settingIs('max_age', 0, 'what this library still needs would be removed after that time'),
  settingIs('discard', 'new', 'a full stream would remove what this library still needs'),
  settingIsUnlimited('max_msg_size', 'what this library writes would not fit'),
  settingIsUnset('subject_delete_marker_ttl', 'the server would store markers among what this library wrote'),
];

/** By what a stream differs from the rules for it, in their order. */
export function differencesOf(found: StreamConfig, rules: readonly SettingRule[]): SettingDifference[] {
  return rules.flatMap(({ setting, expected, admits, because, remedy, shown = asJson }) => {
    const value = found[setting];
    if (admits(value)) return [];
    return [
      {
        ...{ stream: found.name, setting, expected, found: shown(value) },
        remedy: `${because}; ${remedy ?? CHANGE_THE_STREAM}`,
      },
    ];
  });
}

/**
 * Compares a stream with the rules for it.
 * @throws STREAM_MISMATCH, naming the first setting that differs
 */
export function requireSettings(found: StreamConfig, rules: readonly SettingRule[]): void {
  const [first] = differencesOf(found, rules);
  if (first === undefined) return;
  throw new AggregateTransportError(
    'STREAM_MISMATCH',
    `expected stream "${first.stream}" to have ${first.setting} ${first.expected}, found ${first.found}; ${first.remedy}`,
  );
}

function isUnset(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === false ||
    value === 0 ||
    value === '' ||
    (Array.isArray(value) && value.length === 0)
  );
}

function asJson(value: unknown): string {
  return value === undefined ? 'none' : JSON.stringify(value);
}
