import { CommandError, EXIT } from './exit-codes.ts';

/** Normalizes the base URL of a node. A URL without a scheme is read as an http URL. @returns null when the URL is invalid */
export function nodeUrl(given: string): string | null {
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(given) ? given : `http://${given}`;
  if (!URL.canParse(whole)) return null;
  const url = new URL(whole);
  const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  return ['http:', 'https:'].includes(url.protocol) && url.hostname !== '' && plain ? url.href.replace(/\/+$/, '') : null;
}

/** Normalizes a URL from an argument. @throws CommandError, which does not quote the argument because it may contain a password */
export function requireNodeUrl(given: string): string {
  const url = nodeUrl(given);
  if (url === null) throw new CommandError("a node's URL must be http or https, without credentials or a query, such as http://127.0.0.1:8000", EXIT.usage);
  return url;
}
