/** Bundles the page's script into one module, in a checkout and in the build. A built package has no bundler and does not call this. */
import { build, stop } from 'esbuild';

/** @param source the page's entry file */
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
  // Otherwise esbuild's process would keep running.
  await stop();
  return outputFiles[0]!.contents;
}
