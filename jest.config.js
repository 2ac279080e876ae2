// Native ES modules: Nest 12 is ESM only, and Jest on Node 20 cannot require() it.
// Types are checked by `tsc -b`; here each file is only transpiled.
const project = {
  testEnvironment: '<rootDir>/test/support/patient-environment.js',
  extensionsToTreatAsEsm: ['.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/libs/[^/]+/dist'],
  moduleNameMapper: {
    '^nestjs-aggregate-transport$': '<rootDir>/libs/aggregate-transport/src/index.ts',
    '^nestjs-aggregate-transport/operating$': '<rootDir>/libs/aggregate-transport/src/operating.ts',
    '^nestjs-aggregate-transport/testing$': '<rootDir>/libs/aggregate-transport/src/testing.ts',
    '^nestjs-aggregate-transport-postgres$': '<rootDir>/libs/aggregate-transport-postgres/src/index.ts',
    '^nestjs-aggregate-transport-postgres/(cli|testing)$':
      '<rootDir>/libs/aggregate-transport-postgres/src/$1.ts',
    '^nestjs-aggregate-transport-board$': '<rootDir>/libs/aggregate-transport-board/src/index.ts',
    // The build writes the front end into this one.
    '^\\./page-files\\.js$': '<rootDir>/libs/aggregate-transport-board/dist/esm/http/page-files.js',
    '^#board/(.*)\\.js$': '<rootDir>/libs/aggregate-transport-board/src/$1.ts',
    '^#sabotage$': '<rootDir>/libs/aggregate-transport/src/sabotage.ts',
    '^#library/(.*)\\.js$': '<rootDir>/libs/aggregate-transport/src/$1.ts',
    '^#postgres/(.*)\\.js$': '<rootDir>/libs/aggregate-transport-postgres/src/$1.ts',
    '^#create/(.*)\\.js$': '<rootDir>/libs/create-aggregate-service/src/$1.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '^.+\\.ts$': ['ts-jest', { useESM: true, tsconfig: 'tsconfig.jest.json', diagnostics: false }],
  },
};

/** What a handler does must not depend on the way it is called; these run once more, with every call through Nest. */
const BOTH_WAYS = [
  // An outage of 25 s is the same both ways.
  'nest-features/(?!long-outage).*',
  ...['bad-input/(events|garbage)', 'refusals', 'poison-event', 'caused-events'],
];

export default {
  testTimeout: 30_000,
  testSequencer: '<rootDir>/test/support/longest-first.js',
  reporters: ['<rootDir>/test/support/reporter.js'],
  projects: [
    { ...project, roots: ['<rootDir>/test', '<rootDir>/apps'], testRegex: '\\.spec\\.ts$' },
    {
      ...project,
      displayName: 'through Nest',
      roots: ['<rootDir>/test'],
      testRegex: `test/integration/(${BOTH_WAYS.join('|')})\\.spec\\.ts$`,
      setupFiles: ['<rootDir>/test/support/through-nest.ts'],
    },
  ],
};
