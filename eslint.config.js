import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** What Node gives to every file. */
function globalsOf(...names) {
  return Object.fromEntries(names.map((name) => [name, 'readonly']));
}

export default tseslint.config(
  // Templates and examples are projects of their own; their compilers check them (test/package).
  {
    ignores: [
      '**/dist/',
      '**/node_modules/',
      'coverage/',
      'website/pages/',
      'libs/create-aggregate-service/template/',
      'examples/',
    ],
  },
  js.configs.recommended,
  {
    rules: {
      'max-lines': ['error', { max: 260, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 4],
      complexity: ['error', { max: 12, variant: 'modified' }],
    },
  },
  { files: ['**/*.ts', '**/*.tsx', '**/*.mts'], extends: [tseslint.configs.strictTypeChecked] },
  {
    files: ['**/*.ts', '**/*.tsx', '**/*.mts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true } }],
    },
  },
  {
    // Type parameters that Nest's abstract classes prescribe.
    files: ['libs/aggregate-transport/src/nest/**/aggregate.{client,server}.ts'],
    rules: { '@typescript-eslint/no-unnecessary-type-parameters': 'off' },
  },
  {
    files: ['test/**', 'bench/**', 'apps/**'],
    rules: { 'max-lines': 'off' },
  },
  {
    // Walks and oracles go through many cases in a row.
    files: ['test/**'],
    rules: {
      'max-lines-per-function': ['error', { max: 90, skipBlankLines: true, skipComments: true }],
      complexity: ['error', { max: 20, variant: 'modified' }],
    },
  },
  {
    // A scene is told in one piece.
    files: ['**/*.spec.ts', '**/*.contract.ts'],
    rules: { 'max-lines-per-function': 'off', complexity: 'off' },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'apps/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
    },
  },
  {
    // Options as Nest's documents write them.
    files: ['docs/examples/**/*.ts'],
    rules: { '@typescript-eslint/no-unsafe-class-instance-assignment': 'off' },
  },
  {
    files: ['**/*.js', '**/*.cjs', '**/*.mjs'],
    languageOptions: {
      globals: globalsOf(
        'process',
        'console',
        'Buffer',
        'URL',
        'performance',
        'setTimeout',
        'clearTimeout',
        'fetch',
        'AbortSignal',
      ),
    },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: {
      sourceType: 'commonjs',
      globals: globalsOf('require', 'module', 'exports', '__dirname'),
    },
  },
);
