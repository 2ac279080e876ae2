import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { intoCache, run, words, type FetchedNatsServer, type FetchPlan } from './nats-download.js';

/** One entry of the machine's apt configuration. */
export interface AptSource {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
}

const APT_WITHIN_MS = 60_000;
const APT_FOLDER = '/etc/apt';
const DEBIAN_RELEASE = /^(bullseye|bookworm|trixie|forky|duke|sid|(old){0,2}stable|testing|unstable)$/;
const PARTIAL_SUITE = /[-/](security|updates|backports|backports-sloppy|proposed-updates)$/;
/** The second name is the older one; a machine has at least one of them if it is a Debian. */
const DEBIAN_KEYRINGS = ['pgp', 'gpg'].map(
  (ending) => `/usr/share/keyrings/debian-archive-keyring.${ending}`,
);

/**
 * Takes nats-server out of the Debian archive without root and without installing it. The mirror is the one in the
 * machine's own apt sources. The machine's apt settings stay in force: proxy, credentials, signature checks. Only the
 * source list and the state folders are ours, inside the cache.
 *
 * @throws Error after at most 60 s, with the words of apt.
 */
export async function fetchWithApt(plan: FetchPlan): Promise<FetchedNatsServer> {
  const suite = plan.suite;
  if (suite === undefined) throw new Error('no Debian suite is known to hold this version');
  const uri = debianMirror(await readAptSources(APT_FOLDER));
  if (uri === undefined) throw new Error(`no Debian archive in ${APT_FOLDER}`);
  const deadline = Date.now() + APT_WITHIN_MS;
  return intoCache(plan, suite, async (staging) => {
    const keyring = DEBIAN_KEYRINGS.find((path) => existsSync(path));
    const trust = keyring === undefined ? '' : `[signed-by=${keyring}] `;
    await writeFile(join(staging, 'sources.list'), `deb ${trust}${uri} ${suite} main\n`);
    for (const folder of ['lists/partial', 'cache/archives/partial']) {
      await mkdir(join(staging, folder), { recursive: true });
    }
    const options = aptOptions(staging);
    await run('apt-get', ['-q', ...options, 'update'], { cwd: staging, deadline });
    await run('apt-get', ['-q', ...options, 'download', 'nats-server'], { cwd: staging, deadline });
    const archive = (await readdir(staging)).find((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt-get download left no package behind');
    await run('dpkg', ['-x', archive, 'unpacked'], { cwd: staging, deadline });
    const folders = ['usr/sbin', 'usr/bin'].map((folder) => join(staging, 'unpacked', folder, 'nats-server'));
    const binary = folders.find((path) => existsSync(path));
    if (binary === undefined) throw new Error(`${archive} holds no nats-server`);
    return binary;
  });
}

/** Everything apt reads or writes besides the machine's own settings is moved into the staging folder. */
function aptOptions(staging: string): string[] {
  return [
    `Dir::Etc::SourceList=${join(staging, 'sources.list')}`,
    'Dir::Etc::SourceParts=/dev/null',
    `Dir::State::Lists=${join(staging, 'lists')}`,
    `Dir::Cache=${join(staging, 'cache')}`,
    // Without this a mirror that cannot be reached is a warning, and the reason is lost.
    'APT::Update::Error-Mode=any',
  ].flatMap((option) => ['-o', option]);
}

/**
 * The URI of the Debian archive among apt sources. Entries that are only for updates are left out. An entry for a
 * Debian release on a path named `debian` comes before third parties that use the same suite names.
 */
export function debianMirror(sources: readonly AptSource[]): string | undefined {
  const rank = ({ uri, suites }: AptSource): number =>
    (suites.some((suite) => DEBIAN_RELEASE.test(suite)) ? 2 : 0) + (/\/debian(\/|$)/.test(uri) ? 1 : 0);
  const isWhole = ({ uri, suites, components }: AptSource): boolean =>
    !uri.startsWith('cdrom:') &&
    components.includes('main') &&
    !suites.every((suite) => PARTIAL_SUITE.test(suite));
  const whole = sources.filter(isWhole);
  return whole.toSorted((one, other) => rank(other) - rank(one))[0]?.uri;
}

/** Reads apt text of either form: `deb URI suite components` lines, or deb822 stanzas of `Field: value`. */
export function parseAptSources(text: string, form: 'list' | 'sources'): AptSource[] {
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  if (form === 'list') return lines.flatMap(parseLine);
  const stanzas = lines.join('\n').split(/\n\s*\n/);
  return stanzas.flatMap(parseStanza);
}

function parseLine(line: string): AptSource[] {
  const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)([^#]*)/.exec(line);
  if (match === null) return [];
  const [, uri = '', suite = '', components = ''] = match;
  return [{ uri, suites: [suite], components: words(components) }];
}

function parseStanza(stanza: string): AptSource[] {
  const fields = new Map<string, string>();
  for (const [, name = '', value = ''] of stanza.matchAll(/^([\w-]+):(.*(?:\n[ \t].*)*)/gm)) {
    fields.set(name.toLowerCase(), value.trim());
  }
  const list = (field: string): string[] => words(fields.get(field) ?? '');
  if (fields.get('enabled')?.toLowerCase() === 'no' || !list('types').includes('deb')) return [];
  return list('uris').map((uri) => ({ uri, suites: list('suites'), components: list('components') }));
}

async function readAptSources(folder: string): Promise<AptSource[]> {
  const parts = join(folder, 'sources.list.d');
  const names = await readdir(parts).catch(() => []);
  const files = [join(folder, 'sources.list'), ...names.sort().map((name) => join(parts, name))];
  const sources: AptSource[] = [];
  for (const file of files) {
    const form = /\.(list|sources)$/.exec(file)?.[1];
    if (form !== 'list' && form !== 'sources') continue;
    sources.push(...parseAptSources(await readFile(file, 'utf8').catch(() => ''), form));
  }
  return sources;
}
