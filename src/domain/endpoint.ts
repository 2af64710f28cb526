/**
 * Names the server of a URL in sentences and log lines, without the parts that may be secret (user name, password, path, query). Also checks
 * whether the user name and password can be decoded.
 */

const DEFAULT_PORT: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** `host:port` of an http or https URL, always with the port. */
export function endpointOf(url: string): string {
  if (!URL.canParse(url)) return 'an address that is not valid';
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port === '' ? (DEFAULT_PORT[protocol] ?? '?') : port}`;
}

/**
 * Whether the user name and password in a URL are percent-encoded correctly. URL parsers accept a `%` without two hex digits after it, but
 * such a text cannot be decoded.
 */
export function hasReadableLogin(url: string): boolean {
  const { username, password } = new URL(url);
  try {
    // The two parts are decoded separately, because they are used separately. If they were joined, the end of one and the start of the
    // other could form a character.
    decodeURIComponent(username);
    decodeURIComponent(password);
    return true;
  } catch {
    return false;
  }
}
