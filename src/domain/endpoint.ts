/** Names the server of a URL in sentences and log lines, without the parts that may be secret (login, path, query). */

const DEFAULT_PORT: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** `host:port` of an http or https URL, always with the port. */
export function endpointOf(url: string): string {
  if (!URL.canParse(url)) return 'an address that is not valid';
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port === '' ? (DEFAULT_PORT[protocol] ?? '?') : port}`;
}
