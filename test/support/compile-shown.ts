import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import type { CodeBlock } from './pages.js';

/** Where names come from that a block uses without an import. */
const NESTS: Readonly<Record<string, readonly string[]>> = {
  '@nestjs/common': [
    ...['Body', 'Controller', 'Get', 'Inject', 'Injectable', 'Module', 'Param', 'Post', 'UseInterceptors'],
    ...['UseGuards', 'UsePipes', 'ValidationPipe'],
  ],
  '@nestjs/core': ['NestFactory'],
  '@nestjs/microservices': ['Ctx', 'Payload'],
  '@nestjs/testing': ['Test'],
  '@nats-io/transport-node': ['connect'],
  '@nats-io/nats-core': ['wsconnect'],
  'node:async_hooks': ['AsyncLocalStorage'],
};
const ENTRY_POINTS: Readonly<Record<string, string>> = {
  'nestjs-aggregate-transport': 'libs/aggregate-transport/src/index.ts',
  'nestjs-aggregate-transport/testing': 'libs/aggregate-transport/src/testing.ts',
  'nestjs-aggregate-transport-board': 'libs/aggregate-transport-board/src/index.ts',
  'nestjs-aggregate-transport-postgres': 'libs/aggregate-transport-postgres/src/index.ts',
  'nestjs-aggregate-transport-postgres/testing': 'libs/aggregate-transport-postgres/src/testing.ts',
};
const CONTEXT = './shown-code.js';
/** Blocks are compiled as if they stood here. */
const FOLDER = resolve('test/support');

/** A block as a file of its own. */
interface Shown {
  readonly block: CodeBlock;
  readonly text: string;
  /** Lines before the block's own. */
  readonly before: number;
}

/** What is wrong with these blocks of TypeScript, each with its page and line. They are compiled together. */
export function faultsOf(blocks: readonly CodeBlock[]): string[] {
  const files = new Map(blocks.map((block, index) => [join(FOLDER, `shown-${index}.ts`), shownOf(block)]));
  const options = optionsOf();
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile.bind(host);
  host.fileExists = (path) => files.has(resolve(path)) || ts.sys.fileExists(path);
  host.readFile = (path) => files.get(resolve(path))?.text ?? ts.sys.readFile(path);
  host.getSourceFile = (path, language, ...rest) => {
    const shown = files.get(resolve(path));
    if (shown === undefined) return read(path, language, ...rest);
    return ts.createSourceFile(path, shown.text, language, true);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files].flatMap(([path, { block, before }]) => {
    const source = program.getSourceFile(path);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return found.map(({ start = 0, messageText }) => {
      const line = (source?.getLineAndCharacterOfPosition(start).line ?? 0) - before + block.line;
      return `${block.page}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
  });
}

function optionsOf(): ts.CompilerOptions {
  const { config } = ts.readConfigFile('tsconfig.json', (path) => readFileSync(path, 'utf8')) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, '.');
  return {
    ...options,
    ...{ composite: false, incremental: false, noEmit: true, declaration: false, declarationMap: false },
    ...{ noUnusedLocals: false, noUnusedParameters: false, isolatedModules: false },
  };
}

/** The block with imports of what it uses, and within a class if it shows members of one. */
function shownOf(block: CodeBlock): Shown {
  const given = /^given\b:?([\s\S]*)/.exec(block.comment)?.[1] ?? '';
  const isModule = parses(block.code);
  const body = isModule ? block.code : `class Shown {\n${block.code}\n}`;
  const declared = namesDeclaredIn(`${given}\n${body}`);
  const used = namesUsedIn(`${given}\n${body}`);
  const head = [...importable()]
    .filter(([name]) => used.has(name) && !declared.has(name))
    .map(([name, from]) => `import { ${name} } from '${from}';`);
  const top = [...head, ...given.split('\n'), 'export {};', ...(isModule ? [] : ['class Shown {'])];
  const end = isModule ? '' : '}';
  return { block, text: [...top, block.code, end].join('\n'), before: top.length };
}

function parses(code: string): boolean {
  const parsed = ts.transpileModule(code, {
    reportDiagnostics: true,
    compilerOptions: {
      experimentalDecorators: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
    },
  });
  return (parsed.diagnostics ?? []).length === 0;
}

let known: ReadonlyMap<string, string> | undefined;

/** Every name that a block may use without an import, and the module that has it. */
function importable(): ReadonlyMap<string, string> {
  known ??= new Map([
    ...Object.entries(ENTRY_POINTS).flatMap(([module, file]) => named(module, namesExportedBy(file))),
    ...Object.entries(NESTS).flatMap(([module, names]) => named(module, names)),
    ...named(CONTEXT, [...namesDeclaredIn(readFileSync(join(FOLDER, 'shown-code.ts'), 'utf8'))]),
  ]);
  return known;
}

function named(module: string, names: readonly string[]): [string, string][] {
  return names.map((name) => [name, module]);
}

function namesExportedBy(file: string): string[] {
  if (!existsSync(file)) return [];
  const tree = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest);
  return tree.statements.flatMap((statement) =>
    ts.isExportDeclaration(statement) && statement.exportClause && ts.isNamedExports(statement.exportClause)
      ? statement.exportClause.elements.map(({ name }) => name.text)
      : [],
  );
}

function visit(code: string, on: (node: ts.Node) => void): void {
  const go = (node: ts.Node): void => {
    on(node);
    ts.forEachChild(node, go);
  };
  go(ts.createSourceFile('shown.ts', code, ts.ScriptTarget.Latest, true));
}

/** Names of the top level, and those that imports bring. */
function namesDeclaredIn(code: string): Set<string> {
  const names = new Set<string>();
  visit(code, (node) => {
    const isTop =
      !ts.isSourceFile(node) && (ts.isSourceFile(node.parent) || ts.isVariableDeclarationList(node.parent));
    const isImport = ts.isImportSpecifier(node) || ts.isImportClause(node);
    const name = (node as { name?: ts.Node }).name;
    if ((isTop || isImport) && name !== undefined && ts.isIdentifier(name)) names.add(name.text);
  });
  return names;
}

function namesUsedIn(code: string): Set<string> {
  const names = new Set<string>();
  visit(code, (node) => {
    if (ts.isIdentifier(node)) names.add(node.text);
  });
  return names;
}
