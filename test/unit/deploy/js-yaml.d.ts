declare module 'js-yaml' {
  /** The only document of a text. @throws Error when the text is not valid */
  export function safeLoad(text: string): unknown;
}
