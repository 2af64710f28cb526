/** Reads the body of an HTTP message in chunks, up to a limit. */
import { JoinedChunks } from './joined-chunks.ts';

/**
 * Reads the whole body, but destroys the stream as soon as the body exceeds `maxBytes`.
 * @param tooLarge makes the error for a body that is too long
 * @throws the error from `tooLarge`, or what the stream throws
 */
export async function readBoundedBody(chunks: AsyncIterable<Uint8Array>, maxBytes: number, tooLarge: () => Error): Promise<Buffer> {
  const read = new JoinedChunks();
  // Leaving the loop early destroys the stream.
  for await (const chunk of chunks) {
    if (read.bytes + chunk.length > maxBytes) throw tooLarge();
    read.add(chunk);
  }
  return read.join();
}
