import { availableParallelism } from 'node:os';

/** One jest project for each kind of test, so that each kind has its own command. */
const common = {
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2024', experimental: { keepImportAssertions: true } }, module: { type: 'es6' } },
    ],
  },
  testEnvironment: 'node',
  // Each build output contains a package.json with this project's name. Jest would report the duplicate names.
  modulePathIgnorePatterns: ['<rootDir>/artifacts/', '<rootDir>/dist/'],
  testEnvironmentOptions: { customExportConditions: ['node', 'node-addons', 'development'] },
};

export default {
  // This limit only ends a test that hangs. It is long enough for a machine with many times the usual load (test/support/limits.ts).
  testTimeout: 300_000,
  // By default, Jest leaves one processor free. On a machine with two processors, that would be half of them.
  maxWorkers: Math.max(2, availableParallelism() - 1),
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/test/unit/**/*.test.ts'] },
    { ...common, displayName: 'vectors', testMatch: ['<rootDir>/test/vectors/**/*.test.ts'] },
    { ...common, displayName: 'machine', testMatch: ['<rootDir>/test/machine/**/*.test.ts'] },
    { ...common, displayName: 'simulation', testMatch: ['<rootDir>/test/simulation/**/*.test.ts'] },
    { ...common, displayName: 'e2e', testMatch: ['<rootDir>/test/e2e/**/*.test.ts'], globalSetup: '<rootDir>/test/e2e/support/bundle-node.mjs' },
    { ...common, displayName: 'browser', testMatch: ['<rootDir>/test/browser/**/*.test.ts'] },
  ],
};
