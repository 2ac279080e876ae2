import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** Stands in a text for what is only known at run time. */
export const GAP = '…';

/** The syntax trees of a folder's sources, by their paths below it. */
export function treesOf(folder: string): ReadonlyMap<string, ts.SourceFile> {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );
  return new Map(
    paths.map((path) => {
      const source = readFileSync(join(folder, path), 'utf8');
      return [path, ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true)];
    }),
  );
}

/** Every text of a tree, with a {@link GAP} for each expression in it. Texts that are joined by `+` are one. */
export function textsOf(tree: ts.Node): string[] {
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    if (isText(node) && !isPartOfText(node)) texts.push(textOf(node));
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return texts;
}

/** A call that writes a line to a log. */
export interface LogCall {
  /** The name of its event; undefined where it is only known at run time. */
  readonly event: string | undefined;
  readonly text: string;
}

/** The calls of a log's `write`, with texts that stand in a `const` before them. */
export function logCallsOf(tree: ts.Node): LogCall[] {
  const calls: LogCall[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && isLogWrite(node.expression)) {
      const [event, , text] = node.arguments;
      if (event !== undefined && text !== undefined)
        calls.push({
          event: ts.isStringLiteral(event) ? event.text : undefined,
          text: textOf(valueOf(text)),
        });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return calls;
}

/** The part of what a page shows of a text that has to stand in it literally; the rest may fill its gaps. */
const LITERAL_SHARE = 0.6;

/** True if `shown` is a part of this text, as it may read at run time. */
export function mayRead(text: string, shown: string): boolean {
  if (text.includes(shown)) return true;
  if (!text.includes(GAP)) return false;
  // The most characters of `shown`, up to each of its places, that stand literally in the text up to here.
  let most: number[] = Array.from({ length: shown.length + 1 }, () => -1);
  let best = -1;
  for (const character of text) {
    most[0] = Math.max(most[0]!, 0);
    if (character === GAP) {
      for (let place = 1; place <= shown.length; place++)
        most[place] = Math.max(most[place]!, most[place - 1]!);
    } else {
      most = most.map((_, place) =>
        place > 0 && shown[place - 1] === character && most[place - 1]! >= 0 ? most[place - 1]! + 1 : -1,
      );
    }
    best = Math.max(best, most[shown.length]!);
  }
  return best >= LITERAL_SHARE * shown.length;
}

/** The members of a union of texts that a file declares under this name. */
export function unionOf(tree: ts.SourceFile, name: string): string[] {
  const declared = tree.statements.find(
    (statement): statement is ts.TypeAliasDeclaration =>
      ts.isTypeAliasDeclaration(statement) && statement.name.text === name,
  );
  if (declared === undefined || !ts.isUnionTypeNode(declared.type)) return [];
  return declared.type.types.flatMap((type) =>
    ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal) ? [type.literal.text] : [],
  );
}

function isLogWrite(callee: ts.Expression): boolean {
  return (
    ts.isPropertyAccessExpression(callee) &&
    callee.name.text === 'write' &&
    /(^|[.#])(log|calm)$/.test(callee.expression.getText())
  );
}

/** What a name stands for, if a `const` around it says so. */
function valueOf(name: ts.Expression): ts.Expression {
  if (!ts.isIdentifier(name)) return name;
  for (let around: ts.Node = name.parent; !ts.isSourceFile(around); around = around.parent) {
    if (!ts.isBlock(around) && !ts.isCaseClause(around)) continue;
    for (const statement of around.statements) {
      if (!ts.isVariableStatement(statement)) continue;
      const found = statement.declarationList.declarations.find((one) => one.name.getText() === name.text);
      if (found?.initializer !== undefined) return found.initializer;
    }
  }
  return name;
}

function isText(node: ts.Node): boolean {
  return (
    ts.isStringLiteral(node) ||
    ts.isNoSubstitutionTemplateLiteral(node) ||
    ts.isTemplateExpression(node) ||
    isSum(node)
  );
}

function isSum(node: ts.Node): node is ts.BinaryExpression {
  return (
    ts.isBinaryExpression(node) &&
    node.operatorToken.kind === ts.SyntaxKind.PlusToken &&
    (isText(node.left) || isText(node.right))
  );
}

function isPartOfText(node: ts.Node): boolean {
  return isSum(node.parent);
}

function textOf(node: ts.Node): string {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
  if (ts.isTemplateExpression(node))
    return node.head.text + node.templateSpans.map(({ literal }) => GAP + literal.text).join('');
  if (ts.isParenthesizedExpression(node)) return textOf(node.expression);
  return isSum(node) ? textOf(node.left) + textOf(node.right) : GAP;
}
