/** An app that proves itself floods a node with requests that it has the node carry out for as long as it may (`holder.ts`). */
export const HOLDING_KIND = 'flood of held requests';
