import { dirname, join } from 'node:path';
import ts from 'typescript';

/** One option, as the source tells of it. */
export interface DescribedOption {
  /** As a user writes it: `consume.retry.attempts`. */
  readonly path: string;
  /** Its docstring, as Markdown. */
  readonly text: string;
  readonly isRequired: boolean;
}

const COMPILER: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  // Enough for Partial and Record, which stand around interfaces of options.
  lib: ['lib.es5.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: [],
  strict: true,
};

/** Reads the interfaces of a library's sources, and nothing of other packages: their types are of no use here. */
export class OptionReader {
  static readonly #readers = new Map<string, OptionReader>();
  readonly #program: ts.Program;
  readonly #checker: ts.TypeChecker;

  private constructor(private readonly file: string) {
    const host = ts.createCompilerHost(COMPILER);
    host.resolveModuleNameLiterals = (literals, from) => literals.map(({ text }) => resolve(text, from));
    this.#program = ts.createProgram([file], COMPILER, host);
    this.#checker = this.#program.getTypeChecker();
  }

  /** Reading takes a second, so each file is read once. */
  static of(file: string): OptionReader {
    const reader = OptionReader.#readers.get(file) ?? new OptionReader(file);
    OptionReader.#readers.set(file, reader);
    return reader;
  }

  /**
   * The options of an interface, in the order of the source. Members at a path of `groups` are options themselves; the
   * interface of such a member describes them.
   */
  optionsOf(name: string, groups: ReadonlySet<string>): DescribedOption[] {
    const source = this.#program.getSourceFile(this.file);
    const declared = source?.statements.find(
      (node): node is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(node) && node.name.text === name,
    );
    if (declared === undefined) throw new Error(`expected an interface ${name} in ${this.file}, found none`);
    return this.#membersOf(this.#checker.getTypeAtLocation(declared), '', groups);
  }

  #membersOf(type: ts.Type, prefix: string, groups: ReadonlySet<string>): DescribedOption[] {
    const kinds = type.isUnion() ? type.types : [type];
    const symbols = new Map(
      kinds.flatMap((kind) => this.#checker.getPropertiesOfType(kind)).map((one) => [one.name, one]),
    );
    return [...symbols.values()].flatMap((symbol) => {
      const path = prefix + symbol.name;
      const isRequired = (symbol.flags & ts.SymbolFlags.Optional) === 0;
      const inner = this.#checker.getNonNullableType(this.#checker.getTypeOfSymbol(symbol));
      if (groups.has(path)) return this.#membersOf(inner, `${path}.`, groups);
      return [{ path, text: this.#textOf(symbol), isRequired }];
    });
  }

  #textOf(symbol: ts.Symbol): string {
    return symbol
      .getDocumentationComment(this.#checker)
      .map(({ kind, text }) => (kind === 'linkName' ? `\`${text}\`` : kind === 'link' ? '' : text))
      .join('');
  }
}

function resolve(name: string, from: string): ts.ResolvedModuleWithFailedLookupLocations {
  if (!name.startsWith('.')) return { resolvedModule: undefined };
  const resolvedFileName = join(dirname(from), name).replace(/\.js$/, '.ts');
  return {
    resolvedModule: { resolvedFileName, extension: ts.Extension.Ts, isExternalLibraryImport: false },
  };
}
