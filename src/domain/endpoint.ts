/** Who is asked, for sentences and log lines: a URL without what may be secret in it (login, path, query). */

const DEFAULT_PORT: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** `host:port` of an http or https URL, the port always named. */
export function endpointOf(url: string): string {
  if (!URL.canParse(url)) return 'an address that is not valid';
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port === '' ? (DEFAULT_PORT[protocol] ?? '?') : port}`;
}
