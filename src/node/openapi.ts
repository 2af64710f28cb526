/** The OpenAPI document as JSON (docs/openapi.json). Its parts are loaded on the first request, because a node can run without them. */
export async function openApi(): Promise<string> {
  const [{ openApiDocument }, { PACKAGE_VERSION }] = await Promise.all([import('../openapi/document.ts'), import('./package-version.ts')]);
  return JSON.stringify(openApiDocument(PACKAGE_VERSION));
}
