// Native ES modules: Nest 12 is ESM only, and Jest on Node 20 cannot require() it.
// Types are checked by `tsc -b`; here each file is only transpiled.
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  roots: ['<rootDir>/test', '<rootDir>/apps'],
  testRegex: '\\.spec\\.ts$',
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/libs/[^/]+/dist'],
  moduleNameMapper: {
    '^nestjs-aggregate-transport$': '<rootDir>/libs/aggregate-transport/src/index.ts',
    '^nestjs-aggregate-transport/testing$': '<rootDir>/libs/aggregate-transport/src/testing.ts',
    '^#sabotage$': '<rootDir>/libs/aggregate-transport/src/sabotage.ts',
    '^#library/(.*)\\.js$': '<rootDir>/libs/aggregate-transport/src/$1.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '^.+\\.ts$': ['ts-jest', { useESM: true, tsconfig: 'tsconfig.jest.json', diagnostics: false }],
  },
  testTimeout: 30_000,
  reporters: ['<rootDir>/test/support/reporter.js'],
};
