/** Fields that the schemas of several answers share. */
import { z } from 'zod';

export const wallet = z.string().regex(/^0x[0-9a-f]{40}$/);
export const base64 = z.string().meta({ contentEncoding: 'base64' });
export const count = z.number().int().min(0);
export const unixMs = z.number().meta({ description: 'Unix milliseconds' });
