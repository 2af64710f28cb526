/**
 * Phrases that a native reader has to read twice, and what to write instead. In a pattern, a space matches any gap, including a line break
 * in a comment.
 */
const PHRASES = [
  {
    // "there is no peer" and "is no longer ready" are ordinary; "the answer is no envelope" is not.
    phrase: /(?<!\bthere )\b(?:is|are|was|were) no (?!(?:longer|more|less|fewer|later|earlier|larger|smaller|higher|lower|better|worse|different|such|one|use|need|matter|doubt)\b)\p{L}+/giu,
    advice: 'write "is not a …" or "is not valid …"',
  },
  { phrase: /\bwho(?:so)?ever\b/giu, advice: 'name who: "the caller", "anyone who …"' },
  { phrase: /\bnobody\b/giu, advice: 'write "no one", or name who: "no member", "no caller"' },
  { phrase: /\bsomebody\b/giu, advice: 'name who: "a reader", "the caller", "someone"' },
  { phrase: /\bwhatever\b/giu, advice: 'write "regardless of …" or "any …", or name the cases' },
  { phrase: /\banew\b/giu, advice: 'write "again" or "from the start"' },
  { phrase: /\bof (?:its|their) own(?! (?!(?:and|or|but|nor|that|which|who|on|in|at|by|for|from|to|into|beside|before|after|so|with|as|when|while|where|is|are|was|were|its|their|here|there|already|costs?)\b)\p{L})\b/giu, advice: 'write "its own …" or "a separate …"' },
  { phrase: /\b(?:becomes|became|become) of\b/giu, advice: 'write "the outcome of …" or "what happens to …"' },
  { phrase: /\bfor good\b(?! reason)/giu, advice: 'write "permanently"' },
  { phrase: /\bthat is all\b(?! (?:that|there|it|he|they|the)\b)/giu, advice: 'drop it: the sentence before it is enough' },
  { phrase: /\b(?:says|say|said) nothing\b/giu, advice: 'write what is not known, or what is ignored' },
  { phrase: /, and with (?:it|them)\b/giu, advice: 'name both: "the reader and the reason to run"' },
  { phrase: /\b(?:foresaw|foreseen)\b/giu, advice: 'write "unexpected"' },
].map(({ phrase, advice }) => ({ phrase: new RegExp(phrase.source.replaceAll(' ', '[\\s*]+'), phrase.flags), advice }));

/** Quotations are not checked, because they are code or someone else's words. */
const QUOTED = /```.*?```|`[^`]*`|"[^"\n]{0,80}"|“[^”\n]{0,80}”/gsu;

/**
 * @param {string} text
 * @returns {{ index: number, found: string, advice: string }[]} in the order of the text
 */
export function phrasesIn(text) {
  const unquoted = text.replace(QUOTED, (quoted) => '_'.repeat(quoted.length));
  return PHRASES.flatMap(({ phrase, advice }) => [...unquoted.matchAll(phrase)].map((match) => ({ index: match.index, found: match[0].replace(/[\s*]+/gu, ' '), advice }))).sort(
    (one, other) => one.index - other.index,
  );
}
