import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));
const typeTests = ['typed-topic', 'json-payload', 'shaped-topic'].map((name) =>
  join(root, `test/types/${name}.types.ts`),
);

function project(): ts.ParsedCommandLine {
  const file = join(root, 'tsconfig.json');
  const { config } = ts.readConfigFile(file, (path) => ts.sys.readFile(path)) as { config: unknown };
  return ts.parseJsonConfigFileContent(config, ts.sys, root);
}

/** The errors the compiler finds in a type test if its text were another, as line numbers. */
function errorsIn(
  typeTest: string,
  text: string,
  options: ts.CompilerOptions,
): { line: number; message: string }[] {
  const compilerOptions = { ...options, noEmit: true, incremental: false, composite: false };
  const host = ts.createCompilerHost(compilerOptions);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (path, ...rest) =>
    path === typeTest ? ts.createSourceFile(path, text, rest[0], true) : read(path, ...rest);
  const program = ts.createProgram([typeTest], compilerOptions, host);
  return program.getSemanticDiagnostics(program.getSourceFile(typeTest)).map(({ start, messageText }) => ({
    line: text.slice(0, start).split('\n').length,
    message: ts.flattenDiagnosticMessageText(messageText, '\n'),
  }));
}

test.each(typeTests)(
  '%s belongs to the project that `tsc -b` compiles, under its strictest flags',
  (typeTest) => {
    const { fileNames, options, errors } = project();
    expect(errors).toEqual([]);
    expect(fileNames).toContain(typeTest);
    expect(options.strict).toBe(true);
    expect(options.exactOptionalPropertyTypes).toBe(true);
  },
);

test.each(typeTests)(
  'what %s expects to be refused is refused: without its marks, each such line is an error',
  (typeTest) => {
    const source = readFileSync(typeTest, 'utf8');
    const lines = source.split('\n');
    const marks = lines.flatMap((line, index) =>
      /^\s*\/\/ @ts-expect-error /.test(line) ? [index + 1] : [],
    );
    expect(marks.length).toBeGreaterThan(15);
    const unmarked = source.replace(/^(\s*)\/\/ @ts-expect-error .*$/gm, '$1//');
    const errors = errorsIn(typeTest, unmarked, project().options);
    // An error stands on the line behind its mark, and there is no other.
    expect([...new Set(errors.map(({ line }) => line - 1))].sort((a, b) => a - b)).toEqual(marks);
  },
);
