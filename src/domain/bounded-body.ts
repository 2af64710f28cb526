/** Reads the body of an HTTP message in chunks, up to a limit. */

/**
 * Ends the stream if the body is longer than `maxBytes`. @param tooLarge makes the error for a body that is too long
 * @throws the error from `tooLarge`, or what the stream throws
 */
export async function readBoundedBody(chunks: AsyncIterable<Uint8Array>, maxBytes: number, tooLarge: () => Error): Promise<Buffer> {
  const read: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop early destroys the stream.
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge();
    read.push(chunk);
  }
  return read.length === 1 ? Buffer.from(read[0]!.buffer, read[0]!.byteOffset, read[0]!.byteLength) : Buffer.concat(read);
}
