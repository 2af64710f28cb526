/**
 * Large buffers whose memory is returned as soon as it is not needed. V8 would return it only when it collects the buffer. Until then it
 * counts as garbage, so after a few answers of megabytes, V8 searches the whole heap, with all records of the store. These searches took
 * more processor time than everything else in a long list.
 */

/** Minimum size of a buffer that is released. The collector counts smaller buffers too, but they are few. Bytes. */
const MIN_BYTES = 64 * 1024;

/**
 * Returns the memory of a buffer that is alone in its memory. Afterwards the buffer and all views of it are empty. Other buffers are left
 * as they are: Node keeps small buffers together in blocks of 64 KiB, and such a block cannot be released. Nothing may still read the
 * memory outside JavaScript, such as a socket that has not written the buffer yet.
 */
export function releaseBytes({ buffer, byteLength }: Uint8Array): void {
  const isAlone = byteLength === buffer.byteLength;
  if (buffer instanceof ArrayBuffer && isAlone && byteLength >= MIN_BYTES) buffer.transfer(0);
}
