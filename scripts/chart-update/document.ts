/** The diagram of the machine in the documents. Two invisible comments mark the place of the diagram. */
import { mermaidOf } from '../../src/chart/mermaid.ts';
import { nodeChart } from '../../src/cli/chart/node-chart.ts';

/** Paths relative to the project's root. */
export const DOCUMENTS = ['README.md', 'ARCHITECTURE.md'];

const BEGIN = '<!-- chart -->';
const END = '<!-- /chart -->';

/** @throws Error when the document has no place for the diagram */
export function withPicture(document: string): string {
  const from = document.indexOf(BEGIN);
  const to = document.indexOf(END, from);
  if (from === -1 || to === -1) throw new Error(`the document does not contain ${BEGIN} and ${END}`);
  return `${document.slice(0, from + BEGIN.length)}\n\`\`\`mermaid\n${mermaidOf(nodeChart('readiness'))}\`\`\`\n${document.slice(to)}`;
}
