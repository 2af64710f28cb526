/** The one operation that peers call (`http/sync-route.ts`), with the schemas of their messages (protocol.md §4, §10). */
import { z } from 'zod';
import {
  answerFrame,
  appsAnswer,
  bucketsAnswer,
  deltaAnswer,
  deltaRequest,
  digestRequest,
  masterSecretRequest,
  rootAnswer,
  secretAnswer,
  snapshotAnswer,
  snapshotRequest,
} from '../sync/messages.ts';
import type { Operations, Schemas } from './operation.ts';

/** The fields that all messages of peers share. */
const message = (type: string) => ({
  type: z.literal(type),
  sender_wallet: z.string().optional().meta({ description: 'The wallet that signed' }),
  store_id: z.unknown().optional().meta({ description: "Names the sender's store; ignored unless it is 1 to 64 characters of text" }),
  request_id: z.unknown().optional().meta({ description: 'Echoed if it is 1 to 64 letters, digits, - or _; otherwise ignored' }),
});
const framed = (answer: z.ZodObject) => answerFrame.extend(answer.shape);

export const PEER_SCHEMAS = {
  DeltaRequest: deltaRequest.extend(message('delta')),
  DeltaAnswer: framed(deltaAnswer),
  // The rule is a refinement of the schema, and refinements do not appear in the document.
  SnapshotRequest: snapshotRequest.extend(message('snapshot_request')).meta({ dependentRequired: { buckets: ['app'] } }),
  SnapshotAnswer: framed(snapshotAnswer),
  MasterSecretRequest: masterSecretRequest.extend(message('master_secret_request')),
  MasterSecretAnswer: framed(secretAnswer),
  DigestRequest: digestRequest.extend(message('digest_request')),
  RootAnswer: framed(rootAnswer),
  AppDigestsAnswer: framed(appsAnswer),
  BucketDigestsAnswer: framed(bucketsAnswer),
} satisfies Schemas;

export const PEER_OPERATIONS = {
  'POST /sync': {
    summary: 'Messages between nodes',
    security: 'peer',
    sealed: {
      request: ['DeltaRequest', 'SnapshotRequest', 'MasterSecretRequest', 'DigestRequest'],
      answers: { 200: ['DeltaAnswer', 'SnapshotAnswer', 'MasterSecretAnswer', 'RootAnswer', 'AppDigestsAnswer', 'BucketDigestsAnswer'] },
    },
    errors: [400, 403, 405, 413, 415, 429, 500, 503],
  },
} satisfies Operations<keyof typeof PEER_SCHEMAS>;
