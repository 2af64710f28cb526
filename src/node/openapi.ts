/** The OpenAPI document as JSON (docs/openapi.json). Its parts are loaded when it is asked for: a node does not need it. */
export async function openApi(): Promise<string> {
  const [{ openApiDocument }, { PACKAGE_VERSION }] = await Promise.all([import('../openapi/document.ts'), import('./package-version.ts')]);
  return JSON.stringify(openApiDocument(PACKAGE_VERSION));
}
