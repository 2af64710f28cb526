/** Types for the development cluster, which runs nodes as the launcher does. */
export function nodeFlags(environment: Readonly<Record<string, string | undefined>>): string[];
export const NODE_ENVIRONMENT: Readonly<Record<string, string>>;
