/** The base URL of a node in one form; null when it is none. A host alone is meant as http. */
export function nodeUrl(given: string): string | null {
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(given) ? given : `http://${given}`;
  if (!URL.canParse(whole)) return null;
  const url = new URL(whole);
  const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  return ['http:', 'https:'].includes(url.protocol) && url.hostname !== '' && plain ? url.href.replace(/\/+$/, '') : null;
}
