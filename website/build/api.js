// The reference of everything that the libraries export, made by TypeDoc from their docstrings.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Application, ReflectionKind } from 'typedoc';

/** What needs a docstring. Properties of interfaces and classes do, too; those of literal types need none. */
const DOCUMENTED = [
  ...['Class', 'Interface', 'Enum', 'EnumMember', 'Function', 'TypeAlias', 'Variable'],
  ...['Method', 'Accessor', 'GetSignature', 'CallSignature'],
];

const OWNERS = [ReflectionKind.Interface, ReflectionKind.Class];

const OPTIONS = {
  name: 'API',
  plugin: ['typedoc-plugin-markdown'],
  readme: 'none',
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeProtected: true,
  excludeExternals: true,
  // `tsc -b` has checked the sources.
  skipErrorChecking: true,
  sort: ['source-order'],
  validation: { notExported: false, invalidLink: true, notDocumented: true },
  requiredToBeDocumented: DOCUMENTED,
  // Stands in the condition of a type.
  intentionallyNotDocumented: ['nestjs-aggregate-transport.Jsonable.__type.toJSON'],
  entryFileName: 'index.md',
  hideBreadcrumbs: true,
  hidePageHeader: true,
  useCodeBlocks: true,
  logLevel: 'Warn',
};

/** The sources of every entry point that the packages have, found in the `exports` of each. */
function entryPoints(root) {
  return readdirSync(join(root, 'libs'))
    .filter((name) => existsSync(join(root, 'libs', name, 'package.json')))
    .flatMap((folder) => entryPointsOf(join(root, 'libs', folder)));
}

function entryPointsOf(folder) {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return Object.entries(manifest.exports ?? {}).flatMap(([path, conditions]) => {
    const source = /^\.\/dist\/esm\/(.+)\.js$/.exec(conditions?.import?.default ?? '')?.[1];
    if (source === undefined) return [];
    const file = join(folder, 'src', `${source}.ts`);
    return [{ packageName: manifest.name, name: manifest.name + path.slice(1), file }];
  });
}

/**
 * Writes the pages of the reference.
 * @throws Error if an exported symbol has no docstring, or if a docstring links to what is not exported
 */
export async function writeApi(root, target) {
  const entries = entryPoints(root);
  const tsconfig = join(root, 'website/tsconfig.api.json');
  writeTsconfig(tsconfig, entries);
  try {
    const app = await Application.bootstrapWithPlugins({
      ...OPTIONS,
      tsconfig,
      entryPoints: entries.map(({ file }) => file),
      packagesRequiringDocumentation: [...new Set(entries.map(({ packageName }) => packageName))],
      outputs: [{ name: 'markdown', path: target }],
    });
    const project = await app.convert();
    if (project === undefined)
      throw new Error('expected TypeDoc to read the libraries; it says why not above');
    nameByPackage(project.children ?? [], entries);
    app.validate(project);
    for (const name of bareProperties(project)) app.logger.warn(`${name} does not have any documentation`);
    await app.generateOutputs(project);
    const faults = app.logger.warningCount + app.logger.errorCount;
    if (faults > 0)
      throw new Error(`expected every export to have a docstring, found ${faults} faults, as told above`);
  } finally {
    rmSync(tsconfig);
  }
}

/** Properties of interfaces and classes that a reader would find without a word. */
function bareProperties(project) {
  return Object.values(project.reflections)
    .filter((one) => one.kind === ReflectionKind.Property && OWNERS.includes(one.parent?.kind))
    .filter((one) => !one.hasComment() && one.inheritedFrom === undefined && !isDocumentedCall(one))
    .map((one) => one.getFullName());
}

/** A function member keeps its docstring at its signature. */
function isDocumentedCall({ type }) {
  return type?.type === 'reflection' && (type.declaration.signatures ?? []).some((one) => one.hasComment());
}

function writeTsconfig(file, entries) {
  const paths = Object.fromEntries(entries.map((entry) => [entry.name, [entry.file]]));
  const compilerOptions = {
    composite: false,
    incremental: false,
    declarationMap: false,
    noEmit: true,
    paths,
  };
  const files = entries.map((entry) => entry.file);
  writeFileSync(file, JSON.stringify({ extends: '../tsconfig.base.json', compilerOptions, files }));
}

/** TypeDoc names a module by its path below the folder that all have in common. */
function nameByPackage(modules, entries) {
  for (const module of modules) {
    const ends = [`/${module.name}.ts`, `/${module.name}/index.ts`];
    const entry = entries.find(({ file }) => ends.some((end) => file.endsWith(end)));
    if (entry !== undefined) module.name = entry.name;
  }
}
