// Publishes every package of libs/ under one version, with a statement of provenance: which commit, which run.
//   node release.js --plan      checks the release, and prints what would be run
//   node release.js --dry-run   checks it, packs each package as it would be published, and publishes none
//   node release.js             publishes; in the release workflow only, where npm trusts this repository
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('.', import.meta.url));
const CORE = 'nestjs-aggregate-transport';
const STARTER_TEMPLATE = 'libs/create-aggregate-service/template/package.json';
const read = (path) => readFileSync(`${root}${path}`, 'utf8');

/** The packages, the core first: the others name its version. */
function packages() {
  return readdirSync(`${root}libs`, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => ({ ...JSON.parse(read(`libs/${name}/package.json`)), folder: `libs/${name}` }))
    .filter((manifest) => manifest.private !== true)
    .sort((a, b) => Number(b.name === CORE) - Number(a.name === CORE) || a.name.localeCompare(b.name));
}

/**
 * Where the workflow runs: npm refuses a package whose `repository` is not that of its statement of provenance. The
 * sources do not name it, so that a fork can release, too. Undefined outside of the workflow.
 */
function repositoryUrl() {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name } = process.env;
  return server && name ? `git+${server}/${name}.git` : undefined;
}

/** Names the repository in the packages while `run` runs. */
function withRepository(manifests, run) {
  const url = repositoryUrl();
  const files = url === undefined ? [] : manifests.map(({ folder }) => [folder, `${folder}/package.json`]);
  const before = files.map(([, file]) => read(file));
  try {
    files.forEach(([directory, file], index) => {
      const manifest = { ...JSON.parse(before[index]), repository: { type: 'git', url, directory } };
      writeFileSync(`${root}${file}`, `${JSON.stringify(manifest, undefined, 2)}\n`);
    });
    run();
  } finally {
    files.forEach(([, file], index) => writeFileSync(`${root}${file}`, before[index]));
  }
}

/** What keeps this release from being published; empty if nothing does. */
function obstacles(manifests, version, tag) {
  const found = manifests
    .filter((manifest) => manifest.version !== version)
    .map((manifest) => `expected ${manifest.name} to be ${version}, found ${manifest.version}`);
  const asking = [...manifests, JSON.parse(read(STARTER_TEMPLATE))];
  for (const { name, dependencies, peerDependencies } of asking) {
    const asked = { ...dependencies, ...peerDependencies }[CORE];
    if (asked !== undefined && asked !== version)
      found.push(`expected ${name} to ask for ${CORE} ${version}, found ${asked}`);
  }
  for (const { name, repository } of manifests)
    if (repository !== undefined && repositoryUrl() !== undefined && repository.url !== repositoryUrl())
      found.push(`expected ${name} to name the repository ${repositoryUrl()}, found ${repository.url}`);
  if (tag !== undefined && tag !== `v${version}`) found.push(`expected the tag v${version}, found ${tag}`);
  if (
    !new RegExp(`^## \\[${version.replaceAll('.', '\\.')}\\] - \\d{4}-\\d{2}-\\d{2}$`, 'm').test(
      read('CHANGELOG.md'),
    )
  )
    found.push(`expected CHANGELOG.md to have a section [${version}] with a date; give Unreleased that name`);
  const { stdout } = spawnSync('git', ['status', '--porcelain'], { cwd: root, encoding: 'utf8' });
  if (stdout.trim() !== '') found.push(`expected no changes beside the commit, found:\n${stdout.trimEnd()}`);
  return found;
}

function commandsOf(manifests, isDry) {
  return manifests.map(({ name }) => [
    ...['publish', '--access', 'public', '--workspace', name],
    // Provenance is signed by the workflow's own identity, which exists there only.
    isDry ? '--dry-run' : '--provenance',
  ]);
}

function publish(args) {
  const { status } = spawnSync('npm', args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (status !== 0)
    throw new Error(`npm ${args.join(' ')} ended with ${status}; packages before it are published`);
}

const isPlan = process.argv.includes('--plan');
const isDry = process.argv.includes('--dry-run');
const manifests = packages();
const version = manifests[0].version;
const found = obstacles(
  manifests,
  version,
  process.env.GITHUB_REF_TYPE === 'tag' ? process.env.GITHUB_REF_NAME : undefined,
);
for (const obstacle of found) console.log(`not ready: ${obstacle}`);
const commands = commandsOf(manifests, isDry);
if (repositoryUrl() !== undefined) console.log(`repository ${repositoryUrl()}`);
for (const args of commands) console.log(`npm ${args.join(' ')}`);
if (!isPlan && !isDry && found.length > 0) process.exitCode = 1;
else if (!isPlan && !isDry && process.env.GITHUB_ACTIONS !== 'true') {
  console.log('not published: expected to run in the release workflow; try --dry-run here');
  process.exitCode = 1;
} else if (!isPlan)
  withRepository(manifests, () => {
    for (const args of commands) publish(args);
  });
