import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { COLUMNS, LOGS_PAGE, logTables, partsNotInSources, unusedEvents } from '../support/logs-page.js';
import { isLimited, type LogEventName } from '#library/log.js';
import { LOG_EVENTS } from '#library/log-events/log-events.js';
import { LOG_EVENTS as POSTGRES_EVENTS } from '#postgres/log-events.js';

/** The cells of the first table after a heading. */
function tableAfter(page: string, heading: string): string[][] {
  const [, section = ''] = page.split(`\n## ${heading}\n`);
  const lines = section
    .split('\n## ')[0]!
    .split('\n')
    .filter((line) => line.startsWith('|'));
  const cells = lines.map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return [cells[0] ?? [], ...cells.slice(2)];
}

describe('docs/logs.md', () => {
  const page = readFileSync(LOGS_PAGE, 'utf8');

  // To correct it: node dist/test/support/write-logs-page.js && npx prettier --write docs/logs.md
  test('has every event with the level, text, fields, meaning and remedy that the source has, and no other', () => {
    const tables = logTables();
    expect(tables.size).toBe(6);
    // The formatter writes emphasis in its own way, and nothing else.
    for (const [heading, rows] of tables) {
      expect([heading, tableAfter(page, heading)]).toEqual([
        heading,
        [[...COLUMNS], ...rows.map((row) => [...row])],
      ]);
    }
  });

  test('names the events whose lines share room, in the order of the source, and no other', () => {
    const [, bounded = ''] = page.split('in `lines-left-out`, by event:\n');
    const [list = ''] = bounded.trim().split('\n\n');
    const limited = Object.keys(LOG_EVENTS).filter((name) => isLimited(name as LogEventName));
    expect([...list.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name)).toEqual(limited);
  });

  test('names the events of calls and hooks whose lines are bounded, in the order of the source, and no other', () => {
    const [, bounded = ''] = page.split('in `repeats-left-out`, by event:\n');
    const [list = ''] = bounded.trim().split('\n\n');
    const definitions = Object.entries({ ...LOG_EVENTS, ...POSTGRES_EVENTS });
    const repeating = definitions.filter(([, definition]) => 'repeats' in definition).map(([name]) => name);
    const named = [...list.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name);
    expect(named).toEqual(repeating);
  });

  test('shows texts whose parts the sources have', () => {
    expect(partsNotInSources()).toEqual([]);
  });
});

test('every event is written somewhere', () => {
  expect(unusedEvents()).toEqual([]);
});

test('names of events are kebab-case, and the two libraries share none', () => {
  const names = [...Object.keys(LOG_EVENTS), ...Object.keys(POSTGRES_EVENTS)];
  expect(names.length).toBeGreaterThan(90);
  expect(names.filter((name) => !/^[a-z]+(-[a-z]+)*$/.test(name))).toEqual([]);
  expect(new Set(names).size).toBe(names.length);
});

test('no field has a name that a logger uses for itself', () => {
  const taken = [
    'level',
    'message',
    'msg',
    'time',
    'timestamp',
    'context',
    'pid',
    'hostname',
    'err',
    'error',
    'stack',
  ];
  const definitions: { fields: readonly string[]; sometimes?: readonly string[] }[] = [
    ...Object.values(LOG_EVENTS),
    ...Object.values(POSTGRES_EVENTS),
  ];
  const fields = new Set(
    definitions.flatMap(({ fields: always, sometimes = [] }) => [...always, ...sometimes]),
  );
  expect(fields.size).toBeGreaterThan(30);
  expect(taken.filter((name) => fields.has(name))).toEqual([]);
});
