/**
 * The ESLint plugin `plain-english`. Its rule `phrases` reports the phrases of `phrases.mjs` in comments, string literals and templates of
 * code, and in the whole text of files with the language `plain-english/text`. It does not check names in code.
 */
import { phrasesIn } from './phrases.mjs';

/** The text of a file as one node, for files that are not code. */
class TextSource {
  constructor({ body: text }, { ast }) {
    this.text = text;
    this.ast = ast;
    this.lineStarts = [0, ...[...text.matchAll(/\n/gu)].map(({ index }) => index + 1)];
  }

  getLoc() {
    return { start: { line: 1, column: 0 }, end: this.getLocFromIndex(this.text.length) };
  }

  getRange() {
    return [0, this.text.length];
  }

  getLocFromIndex(index) {
    const line = this.lineStarts.findLastIndex((start) => start <= index);
    return { line: line + 1, column: index - this.lineStarts[line] };
  }

  traverse() {
    return [1, 2].map((phase) => ({ type: 'visit', kind: 1, target: this.ast, phase, args: [this.ast, null] }));
  }
}

const text = {
  fileType: 'text',
  lineStart: 1,
  columnStart: 0,
  nodeTypeKey: 'type',
  validateLanguageOptions() {},
  parse: () => ({ ok: true, ast: { type: 'Text' } }),
  createSourceCode: (file, parsed) => new TextSource(file, parsed),
};

const phrases = {
  meta: { type: 'suggestion', schema: [], messages: { phrase: '"{{found}}": {{advice}}.' }, languages: ['*'] },
  create(context) {
    const { sourceCode } = context;
    const check = (start, end) => {
      for (const { index, found, advice } of phrasesIn(sourceCode.text.slice(start, end))) {
        const at = { start: sourceCode.getLocFromIndex(start + index), end: sourceCode.getLocFromIndex(start + index + found.length) };
        context.report({ loc: at, messageId: 'phrase', data: { found, advice } });
      }
    };
    // The quotes of a literal are left out, because they would turn its whole text into a quotation.
    const checkInside = ({ range: [start, end] }) => check(start + 1, end - 1);
    return {
      Text: () => check(0, sourceCode.text.length),
      Program() {
        for (const { range } of sourceCode.getAllComments()) check(...range);
      },
      Literal(node) {
        if (typeof node.value === 'string') checkInside(node);
      },
      TemplateElement: checkInside,
    };
  },
};

export default { meta: { name: 'plain-english' }, rules: { phrases }, languages: { text } };
