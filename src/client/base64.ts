/** Base64 in a node's answer, decoded to bytes. */
import { z } from 'zod';
import { decodeBase64 } from '../crypto/base64.ts';

export const base64 = z.string().transform((text, context) => {
  const bytes = decodeBase64(text);
  if (bytes !== null) return bytes;
  context.addIssue({ code: 'custom', message: 'not base64' });
  return z.NEVER;
});
