/** The lint of phrases (scripts/lint): which phrases it reports in code and in Markdown, and which it accepts. */
import { describe, expect, test } from '@jest/globals';
import { Linter, type ESLint } from 'eslint';

const { default: plugin } = (await import(new URL('../../../scripts/lint/plain-english.mjs', import.meta.url).href)) as { default: ESLint.Plugin };
const linter = new Linter();
const common = { plugins: { 'plain-english': plugin }, rules: { 'plain-english/phrases': 'error' } } as const;

const inCode = (code: string): Linter.LintMessage[] => linter.verify(code, { ...common, files: ['**/*.js'] }, 'a.js');
const inMarkdown = (text: string): Linter.LintMessage[] => linter.verify(text, { ...common, files: ['**/*.md'], language: 'plain-english/text' }, 'a.md');
const found = (messages: Linter.LintMessage[]): (string | undefined)[] => messages.map(({ message }) => /^"(.*)": /.exec(message)?.[1] ?? message);

describe('the lint reports, in a comment and in a document:', () => {
  test.each([
    ['the answer is no envelope', 'is no envelope'],
    ['these lines are no events', 'are no events'],
    ['it was no member then', 'was no member'],
    ['Whoever asks is refused', 'Whoever'],
    ['nobody asked', 'nobody'],
    ["that is nobody's key", 'nobody'],
    ['somebody may ask', 'somebody'],
    ['whatever it holds', 'whatever'],
    ['it starts anew', 'anew'],
    ['on a port of its own, without a token', 'of its own'],
    ['apps with keys of their own and tests', 'of their own'],
    ['what becomes of the claim', 'becomes of'],
    ['the outcome: what became of it', 'became of'],
    ['refused for good', 'for good'],
    ['It waits. That is all.', 'That is all'],
    ['a late answer says nothing', 'says nothing'],
    ['the reader is gone, and with it the reason', ', and with it'],
    ['a fault that was not foreseen', 'foreseen'],
  ])('%s', (text, phrase) => {
    expect(found(inCode(`// ${text}\n`))).toEqual([phrase]);
    expect(found(inMarkdown(`# A heading\n\n${text}\n`))).toEqual([phrase]);
  });
});

describe('the lint accepts:', () => {
  test.each([
    'there is no other member',
    'the node is no longer ready',
    'the page is no larger than 8 MiB',
    'the order of its own sequence numbers',
    'there is good reason for good reasons',
    'that is all that is left',
    'an error named `nobody`, and a quoted "is no JSON"',
    'on which the outcome depends',
  ])('%s', (text) => {
    expect(inCode(`// ${text}\n`)).toEqual([]);
    expect(inMarkdown(`${text}\n`)).toEqual([]);
  });
});

test('strings and templates are checked, but not names and quotations in them', () => {
  expect(found(inCode("say('it is no page', `from ${nobody} to somebody`, \"the word 'x' and \\`nobody\\`\");"))).toEqual(['is no page', 'somebody']);
});

test('a phrase that continues on the next line of a comment is reported at the line and column where it begins', () => {
  expect(inCode('/**\n * A limit of its\n * own.\n */\n')).toEqual([expect.objectContaining({ line: 2, column: 12, message: '"of its own": write "its own …" or "a separate …".' })]);
});

test('a fenced block of a document is treated as code', () => {
  expect(inMarkdown('Text.\n\n```\nnobody@host:~$ x is no file\n```\n')).toEqual([]);
});
