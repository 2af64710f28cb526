/** Checks the enclave API: tries out each operation that a node needs, with meaningless data. */
import { constantTimeEqual } from '../../crypto/hash.ts';
import { recoverEip191 } from '../../crypto/signature.ts';
import { DependencyError } from '../../domain/errors.ts';
import type { TeePubkey, Wallet } from '../../domain/ids.ts';
import type { Enclave, Random } from '../../domain/ports.ts';
import { failed, notChecked, ok, type Finding } from './finding.ts';

export interface EnclaveFound {
  readonly findings: readonly Finding[];
  /** Null: the API did not return it. */
  readonly wallet: Wallet | null;
  readonly teePubkey: TeePubkey | null;
}

export interface EnclaveExpectations {
  /** `NODE_WALLET`. */
  readonly wallet: Wallet | undefined;
}

const ADVICE = 'check ODYN_URL and whether the enclave API is running; its log may show the cause';
/** No message of the protocol has this form, so no node accepts a signature over it as a proof. */
const PROBE_MESSAGE = 'NovaKMS:Doctor:probe';
const PROBE_BYTES = 16;

/** @throws any error that is not a DependencyError, because such an error is a bug in this program */
async function attempt(check: string, work: () => Promise<Finding>): Promise<Finding> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DependencyError) return failed(check, error.message, ADVICE);
    throw error;
  }
}

export async function examineEnclave(expected: EnclaveExpectations, { enclave, random }: { readonly enclave: Enclave; readonly random: Random }, signal: AbortSignal): Promise<EnclaveFound> {
  let wallet = null as Wallet | null;
  let teePubkey = null as TeePubkey | null;
  const findings: Finding[] = [];
  findings.push(
    await attempt('enclave.wallet', async () => {
      wallet = await enclave.address(signal);
      if (expected.wallet === undefined || expected.wallet === wallet) return ok('enclave.wallet', wallet);
      return failed('enclave.wallet', `the wallet is ${wallet}, but NODE_WALLET is ${expected.wallet}`, 'unset NODE_WALLET, or run the enclave that has this wallet');
    }),
  );
  const rest = ['enclave.public_key', 'enclave.random', 'enclave.sign', 'enclave.encryption'];
  if (wallet === null) return { findings: [...findings, ...rest.map((check) => notChecked(check, 'the enclave API does not answer'))], wallet, teePubkey };
  findings.push(
    await attempt('enclave.public_key', async () => {
      teePubkey = await enclave.publicKey(signal);
      return ok('enclave.public_key', `P-384, ${teePubkey.length / 2} bytes of DER`);
    }),
    await attempt('enclave.random', async () => {
      const bytes = await enclave.random(signal);
      bytes.fill(0);
      return ok('enclave.random', `${bytes.length} bytes`);
    }),
    await attempt('enclave.sign', async () => judgeSignature(await enclave.sign(PROBE_MESSAGE, signal), wallet!)),
    await judgeEncryption(enclave, random, teePubkey, signal),
  );
  return { findings, wallet, teePubkey };
}

function judgeSignature(signature: string, wallet: Wallet): Finding {
  const signer = recoverEip191(PROBE_MESSAGE, signature);
  if (signer === wallet) return ok('enclave.sign', 'EIP-191, made by the wallet');
  return failed('enclave.sign', 'the signature that the enclave API returned was not made by its wallet', ADVICE);
}

/** Encrypts to the enclave's own key and decrypts the result. */
async function judgeEncryption(enclave: Enclave, random: Random, teePubkey: TeePubkey | null, signal: AbortSignal): Promise<Finding> {
  const check = 'enclave.encryption';
  if (teePubkey === null) return notChecked(check, 'the enclave API does not return a public key');
  return attempt(check, async () => {
    const text = Buffer.from(random.bytes(PROBE_BYTES)).toString('hex');
    const opened = await enclave.decrypt(await enclave.encrypt(text, teePubkey, signal), signal);
    if (constantTimeEqual(Buffer.from(opened), Buffer.from(text))) return ok(check, 'the enclave API can decrypt what it encrypts to its own key');
    return failed(check, 'the enclave API cannot decrypt correctly what it encrypted to its own key', ADVICE);
  });
}
