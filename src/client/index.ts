/** The package's public entry for apps: `nova-kms-node/client`. */
export { createKmsClient, type KmsClient } from './kms-client.ts';
export { KmsClientError, type AttemptFailure, type KmsAttempt, type KmsClientErrorCode } from './errors.ts';
export type { DeleteArguments, DeleteResult, KeyList, ListArguments, PutArguments, PutResult, StoredValue } from './data.ts';
export type { DeriveArguments, DerivedKey } from './derive.ts';
export type { KmsNode } from './node-list.ts';
export type { ReceivedStatus as NodeStatus } from './node-status.ts';
export type {
  CallOptions,
  ClientIdentity,
  KmsClientModules,
  KmsClientOptions,
  LocalKeys,
  MembershipSource,
} from './options.ts';
