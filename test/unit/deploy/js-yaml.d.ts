declare module 'js-yaml' {
  /** Parses a string that contains exactly one document. @throws Error when the string is not valid YAML */
  export function safeLoad(text: string): unknown;
}
