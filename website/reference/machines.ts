import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** A class with modes, as its source tells of it. */
export interface Machine {
  readonly name: string;
  /** From the repository's root. */
  readonly file: string;
  /** What the class is for: the first paragraph of its docstring. */
  readonly purpose: string;
  readonly start: string | undefined;
  /** Each mode, what the docstring says of it, and the modes that it may be entered from. */
  readonly modes: readonly {
    readonly name: string;
    readonly text: string;
    readonly from: readonly string[];
  }[];
}

const LIBRARIES = ['aggregate-transport', 'aggregate-transport-postgres', 'aggregate-transport-board'].map(
  (name) => `libs/${name}/src`,
);
/** A class that keeps its mode in `#mode`, and enters one through `#enter`. */
const ENTERS = /^ {2}#mode\b[\s\S]*^ {2}#enter\(/m;
const TABLE = /^MAY_(?:COME|ENTER)_FROM$/;

/** The files of the libraries in which something enters a mode. */
export function filesWithModes(): string[] {
  return LIBRARIES.flatMap((library) =>
    readdirSync(library, { recursive: true, encoding: 'utf8' })
      .map((path) => join(library, path).replaceAll('\\', '/'))
      .filter((path) => path.endsWith('.ts') && ENTERS.test(readFileSync(path, 'utf8')))
      .sort(),
  );
}

/** @throws Error if a file enters modes without a table of where each may come from */
export function machines(): Machine[] {
  return filesWithModes().map((file) => machineOf(file, readFileSync(file, 'utf8')));
}

export function machineOf(file: string, text: string): Machine {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const declared = source.statements.find(
    (node): node is ts.ClassDeclaration =>
      ts.isClassDeclaration(node) && node.members.some((member) => member.name?.getText() === '#enter'),
  );
  const table = tableIn(source);
  if (declared?.name === undefined || table === undefined)
    throw new Error(`expected a class with #enter and its table MAY_COME_FROM in ${file}, found none`);
  const said = docOf(declared);
  return {
    name: declared.name.text,
    file,
    purpose:
      said
        .split(/\n\s*\n|\n- /)[0]
        ?.replace(/\s+/g, ' ')
        .replace(/ Its modes:$/, '') ?? '',
    start: /#mode(?:: [\w ]+)? = '([^']+)'/.exec(declared.getText())?.[1],
    modes: Object.entries(table).map(([name, from]) => ({ name, from, text: saidOf(name, said) })),
  };
}

function tableIn(source: ts.SourceFile): Readonly<Record<string, readonly string[]>> | undefined {
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    const [declaration] = statement.declarationList.declarations;
    if (declaration === undefined || !TABLE.test(declaration.name.getText())) continue;
    if (declaration.initializer && ts.isObjectLiteralExpression(declaration.initializer))
      return Object.fromEntries(declaration.initializer.properties.map(rowOf));
  }
  return undefined;
}

function rowOf(property: ts.ObjectLiteralElementLike): [string, string[]] {
  if (!ts.isPropertyAssignment(property) || !ts.isArrayLiteralExpression(property.initializer))
    throw new Error(`expected a list of modes, found ${property.getText()}`);
  const name = property.name.getText().replaceAll("'", '');
  return [name, property.initializer.elements.map((element) => element.getText().replaceAll("'", ''))];
}

function docOf(node: ts.Node): string {
  const [doc] = ts.getJSDocCommentsAndTags(node);
  return ts.getTextOfJSDocComment(doc?.comment) ?? '';
}

/** What the docstring's list says of a mode; '' if it has no such list. */
function saidOf(mode: string, doc: string): string {
  const item = new RegExp(
    `^\\s*- \`${mode}\`(?:[:,]| to) ([\\s\\S]*?)(?=^\\s*- \`|^\\s*$|(?![\\s\\S]))`,
    'm',
  ).exec(doc);
  return (item?.[1] ?? '')
    .replace(/\s+/g, ' ')
    .replace(/\{@link ([^}]*)\}/g, '`$1`')
    .trim();
}
