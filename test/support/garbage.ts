/** The garbage collector of this process, for tests that check which objects stay in memory. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Frees all objects that the process cannot reach. */
export const collectGarbage = runInNewContext('gc') as () => void;
