/** Types for the development cluster, which runs nodes in the same way as the launcher. */
export function nodeFlags(environment: Readonly<Record<string, string | undefined>>): string[];
export const NODE_ENVIRONMENT: Readonly<Record<string, string>>;
