/** The body of an HTTP message, read as it comes and no further than is allowed. */

/**
 * Ends the stream when it is longer. @param tooLarge makes the error that is thrown then
 * @throws what the stream throws, too
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
