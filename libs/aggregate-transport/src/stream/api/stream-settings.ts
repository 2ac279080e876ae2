import { AggregateTransportError } from '../../errors.js';
import type { StreamConfig } from './api-types.js';

/** A setting of a stream that a promise of this library depends on. */
export interface SettingRule {
  readonly setting: keyof StreamConfig;
  /** The value it must have, as an error text shows it. */
  readonly expected: string;
  readonly admits: (value: unknown) => boolean;
  /** What breaks with another value. */
  readonly because: string;
}

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

/** For every stream that this library reads or writes: what is published is stored as it is, confirmed, and stays. */
export const STORES_AS_PUBLISHED: readonly SettingRule[] = [
  settingIs('retention', 'limits', 'with another retention each reader removes what it reads'),
  settingIsUnset('mirror', 'a mirror cannot be written to'),
  settingIsUnset('sources', 'messages of other streams would get sequences among ours'),
  settingIsUnset(
    'subject_transform',
    'messages would be stored under other subjects than they are read from',
  ),
  settingIsUnset('no_ack', 'a write without an answer never counts as stored'),
];

/** For streams whose messages are removed by this library alone. */
export const KEEPS_EVERYTHING: readonly SettingRule[] = [
  settingIs('max_age', 0, 'what this library still needs would be removed after that time'),
  settingIs('discard', 'new', 'a full stream would remove what this library still needs'),
];

/**
 * Compares a stream with the rules for it.
 * @throws STREAM_MISMATCH, naming the first setting that differs
 */
export function requireSettings(found: StreamConfig, rules: readonly SettingRule[]): void {
  for (const { setting, expected, admits, because } of rules) {
    const value = found[setting];
    if (admits(value)) continue;
    throw settingMismatch(found.name, {
      expected: `${setting} ${expected}`,
      found: shown(value),
      remedy: `${because}; change the stream (this library never changes one that exists), or use another name`,
    });
  }
}

/** A stream differs from what it must be. */
export function settingMismatch(
  stream: string,
  { expected, found, remedy }: { readonly expected: string; readonly found: string; readonly remedy: string },
): AggregateTransportError {
  return new AggregateTransportError(
    'STREAM_MISMATCH',
    `expected stream "${stream}" to have ${expected}, found ${found}; ${remedy}`,
  );
}

function isUnset(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === false ||
    value === 0 ||
    (Array.isArray(value) && value.length === 0)
  );
}

function shown(value: unknown): string {
  return value === undefined ? 'none' : JSON.stringify(value);
}
