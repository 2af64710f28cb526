/** An app with a valid proof floods a node with requests that stay under way for the longest allowed time (`holder.ts`). */
export const HOLDING_KIND = 'flood of held requests';
