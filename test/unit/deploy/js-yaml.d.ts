declare module 'js-yaml' {
  /** The one document of a text. @throws Error when it is none */
  export function safeLoad(text: string): unknown;
}
