/** The page's script as one module, for a checkout and for the build. A built package has no bundler and does not come here. */
import { build, stop } from 'esbuild';

/** @param source the page's first file */
export async function bundlePage(source: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [source],
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'silent',
  });
  // Its process would stay otherwise.
  await stop();
  return outputFiles[0]!.contents;
}
