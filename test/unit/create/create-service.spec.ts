import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readArguments } from '#create/command-line.js';
import { checkedName, spellingsOf } from '#create/names.js';
import { chooseNames } from '#create/questions.js';
import { readFolder, writeService } from '#create/service-folder.js';
import { serviceFiles } from '#create/template.js';

const LIBRARY = 'libs/create-aggregate-service';
const TEMPLATE = `${LIBRARY}/template`;
const versionOf = (library: string): string =>
  (JSON.parse(readFileSync(join(library, 'package.json'), 'utf8')) as { version: string }).version;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'create-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('names', () => {
  test.each(['my-service', 'a', 'orders2'])('%s may be a service and a topic', (name) => {
    expect(checkedName('service', name)).toBe(name);
    expect(checkedName('topic', name)).toBe(name);
  });

  test.each(['', 'Orders', '2fast', '../up', 'a b', 'a_b', 'x'.repeat(64), 'app', 'aggregate'])(
    'refuses %j, and says the rule',
    (name) => {
      expect(() => checkedName('topic', name)).toThrow(/expected a topic name of lower-case letters/);
    },
  );

  test('a topic of two words is spelled for addresses, values and classes', () => {
    expect(spellingsOf('order-lines')).toEqual({
      kebab: 'order-lines',
      camel: 'orderLines',
      pascal: 'OrderLines',
    });
  });
});

describe('the command line', () => {
  test('takes a name and options', () => {
    expect(readArguments(['shop', '--topic', 'carts', '--yes', '--no-install'])).toMatchObject({
      ...{ name: 'shop', topic: 'carts', isSilent: true, installs: false },
    });
  });

  test.each([[['a', 'b']], [['--topics', 'x']], [['--topic']]])('refuses %j with the usage', (args) => {
    expect(() => readArguments(args)).toThrow('usage: npm create aggregate-service NAME');
  });

  test('asks for what is not given, two questions at most, and none with --yes', async () => {
    const asked: string[] = [];
    const ask = (question: string, byDefault: string): Promise<string> => {
      asked.push(question);
      return Promise.resolve(byDefault);
    };
    expect(await chooseNames(readArguments([]), ask)).toEqual({ name: 'my-service', topic: 'orders' });
    expect(asked).toEqual(['Name of the service', 'Topic of its events']);
    expect(await chooseNames(readArguments(['shop', '--yes']), ask)).toEqual({
      name: 'shop',
      topic: 'orders',
    });
    expect(asked).toHaveLength(2);
  });
});

describe('the files', () => {
  test('carry the chosen names, and nothing of the template', async () => {
    const files = serviceFiles(await readFolder(TEMPLATE), {
      name: 'orders-shop',
      topic: 'order-lines',
      library: 'file:/a.tgz',
    });
    const all = files.map(({ path, text }) => `${path}\n${text}`).join('\n');
    expect(all.replaceAll('orders-shop', '')).not.toMatch(/my-service|\borders\b|Orders(?!-)/);
    expect(files.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['.gitignore', 'package.json', 'src/order-lines.topic.ts']),
    );
    const manifest = JSON.parse(files.find(({ path }) => path === 'package.json')!.text) as {
      name: string;
      dependencies: Record<string, string>;
    };
    expect([manifest.name, manifest.dependencies['nestjs-aggregate-transport']]).toEqual([
      'orders-shop',
      'file:/a.tgz',
    ]);
  });

  test('are written into an empty folder', async () => {
    await writeService(folder, [{ path: 'src/a.ts', text: 'a' }]);
    expect(readFileSync(join(folder, 'src/a.ts'), 'utf8')).toBe('a');
  });

  test('are refused by a folder that is not empty, and nothing of it is touched', async () => {
    writeFileSync(join(folder, '.env'), 'mine');
    await expect(writeService(folder, [{ path: '.env', text: 'a' }])).rejects.toThrow(
      /expected an empty folder, found 1 entries in .*, such as \.env; choose another name/,
    );
    expect([readdirSync(folder), readFileSync(join(folder, '.env'), 'utf8')]).toEqual([['.env'], 'mine']);
  });
});

test('the package, the library and the template have one version, and the template the newest Nest we test', () => {
  const template = JSON.parse(readFileSync(join(TEMPLATE, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  const own = versionOf('libs/aggregate-transport');
  expect([versionOf(LIBRARY), template.dependencies['nestjs-aggregate-transport']]).toEqual([own, own]);
  const root = JSON.parse(readFileSync('package.json', 'utf8')) as typeof template;
  const known = { ...root.dependencies, ...root.devDependencies };
  for (const [name, range] of Object.entries({ ...template.dependencies, ...template.devDependencies }))
    if (name !== 'nestjs-aggregate-transport') expect([name, range]).toEqual([name, `^${known[name] ?? ''}`]);
});
