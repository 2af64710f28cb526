import tseslint from 'typescript-eslint';
import plainEnglish from './scripts/lint/plain-english.mjs';

/** A test waits for a condition and never asserts a duration, because durations depend on the machine. Benchmarks measure durations. */
const NO_TIMES = 'A test waits for a condition (waitUntil) and never asserts a duration. Measurements of speed belong in bench/.';
const timeless = [
  { object: 'performance', property: 'now', message: NO_TIMES },
  { object: 'Date', property: 'now', message: `${NO_TIMES} If a message needs the time of day, use systemClock.nowMs().` },
  { object: 'systemClock', property: 'monotonicMs', message: NO_TIMES },
  { object: 'jest', property: 'retryTimes', message: 'Fix a test that fails sometimes; do not retry it.' },
];

/** Code must receive these as ports, except at the edges: src/cli, src/dev, src/system (ARCHITECTURE.md, Ports). */
const portsOnly = [
  { object: 'Date', property: 'now', message: 'Take the time from the Clock port.' },
  { object: 'Math', property: 'random', message: 'Take random numbers from the Random port.' },
  { object: 'performance', property: 'now', message: 'Take the time from the Clock port.' },
  { object: 'process', property: 'env', message: 'The environment comes from the command line, through src/config.' },
];

export default tseslint.config(
  { ignores: ['node_modules/**', 'dist/**', 'coverage/**', 'artifacts/**'] },
  ...tseslint.configs.strictTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/dot-notation': 'off',
      eqeqeq: 'error',
      // Off: it wrongly reports winston's `new transports.Stream(..)`.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/cli/**', 'src/dev/**', 'src/system/system.ts'],
    rules: {
      'no-restricted-properties': ['error', ...portsOnly],
      'no-restricted-globals': [
        'error',
        { name: 'setTimeout', message: 'Timers come from the Clock port.' },
        { name: 'setInterval', message: 'Timers come from the Clock port.' },
        { name: 'fetch', message: 'HTTP goes through the Transport port or the enclave client.' },
        { name: 'console', message: 'Write to the log through the Log port.' },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Take the time from the Clock port.' },
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      'no-restricted-properties': ['error', ...timeless],
      'no-restricted-globals': [
        'error',
        { name: 'setTimeout', message: NO_TIMES },
        { name: 'setInterval', message: NO_TIMES },
      ],
      'no-restricted-imports': ['error', { paths: ['timers', 'node:timers', 'timers/promises', 'node:timers/promises'].map((name) => ({ name, message: NO_TIMES })) }],
      'no-restricted-syntax': [
        'error',
        { selector: "CallExpression[callee.name=/^(?:test|it|describe)$/] CallExpression[callee.name='pause']", message: NO_TIMES },
        { selector: 'CallExpression[callee.object.name=/^(?:test|it|describe)$/][callee.property.name=/^(?:skip|only|todo)$/]', message: 'A test is never skipped.' },
      ],
    },
  },
  {
    files: ['**/*.ts', '**/*.mjs', '**/*.md'],
    // Not checked: docs/protocol.md, because other implementations share it; the rule and its test, because they contain the phrases.
    ignores: ['docs/protocol.md', 'scripts/lint/**', 'test/unit/lint/**'],
    plugins: { 'plain-english': plainEnglish },
    rules: { 'plain-english/phrases': 'error' },
  },
  { files: ['**/*.md'], plugins: { 'plain-english': plainEnglish }, language: 'plain-english/text' },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: { '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: [{ from: 'package', package: '@jest/globals', name: ['test', 'it', 'describe'] }] }] },
  },
);
