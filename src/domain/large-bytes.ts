/**
 * Large buffers whose memory is returned as soon as it is not needed. V8 would return it only when it collects the buffer. Until then it
 * counts as garbage, so after a few answers of megabytes, V8 searches the whole heap, with all records of the store. These searches took
 * more processor time than everything else in a long list.
 */

/** Minimum size of a buffer that is released. Node keeps smaller buffers in a block that they share. Bytes. */
const MIN_BYTES = 64 * 1024;

/**
 * Returns the memory of a buffer that does not share it. Afterwards the buffer and all views of it are empty. Nothing may still read the
 * memory outside JavaScript, such as a socket that has not written the buffer yet.
 */
export function releaseBytes(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= MIN_BYTES) buffer.transfer(0);
}
