/**
 * Limits that no setting changes, each with its unit. Settings live in `src/config`. A limit that only one room (folder of `src`) uses is
 * defined in that room.
 */

/** Maximum number of read attempts in one step. After that, the step has failed (protocol.md §6). */
export const READ_ATTEMPTS = 3;

/** Maximum size of an answer from a peer's `/nonce` or `/status` (protocol.md §10, Where a node connects). */
export const SMALL_ANSWER_BYTES = 64 * 1024;

/** Timeouts of calls to peers (protocol.md §5 and §1). */
export const PEER_TIMEOUT_MS = { nonce: 5_000, probe: 3_000, delta: 15_000, snapshot: 30_000, secret: 45_000 } as const;

/** Maximum number of members that this node reads and keeps from a membership list. Further members are dropped and reported. */
export const MAX_MEMBERS = 1_024;

/** Maximum length of a peer's nonce that this node signs (protocol.md §3). Characters. */
export const MAX_PEER_NONCE_CHARS = 64;

/** Maximum length of the path and context of a derivation together (protocol.md §3). Bytes of UTF-8. */
export const MAX_DERIVE_INFO_BYTES = 4_096;
/** Maximum length of a derived key. Bytes. */
export const MAX_DERIVED_KEY_BYTES = 1_024;
export const DEFAULT_DERIVED_KEY_BYTES = 32;

/** Maximum length of a key that an app may write (protocol.md §3). Bytes of UTF-8. */
export const MAX_DATA_KEY_BYTES = 1_024;
/** Maximum length of a stored key in bytes of UTF-8. Older nodes accepted longer keys than apps may write now (protocol.md §10). */
export const MAX_HELD_KEY_BYTES = 64 * 1024;

/** Maximum time that a write may wait for acknowledgements (protocol.md §10). */
export const MAX_ACK_TIMEOUT_MS = 60_000;
export const DEFAULT_ACK_TIMEOUT_MS = 5_000;

/** Maximum size of a snapshot page on the wire, regardless of the requested size (protocol.md §10, Pages). */
export const MAX_SNAPSHOT_PAGE_BYTES = 8 * 1024 * 1024;

/** Size of the pages that this node requests: small enough that parsing one does not hold up requests. */
export const SNAPSHOT_PAGE_BYTES = 512 * 1024;

/** Maximum size of a body that the enclave API accepts (protocol.md §7). */
export const ENCLAVE_BODY_BYTES = 10 * 1024 * 1024;

export const MASTER_SECRET_BYTES = 32;
