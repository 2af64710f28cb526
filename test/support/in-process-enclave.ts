/** The emulated enclave behind the Enclave port, without HTTP. */
import { EmulatedEnclave, EmulatorRefusal, type EmulatedEnclaveOptions } from '../../src/enclave/emulator/emulated-enclave.ts';
import { DependencyError } from '../../src/domain/errors.ts';
import type { Clock, Enclave, Random } from '../../src/domain/ports.ts';

export function inProcessEnclave(
  options: EmulatedEnclaveOptions,
  modules: { readonly random: Random; readonly clock: Pick<Clock, 'nowMs'> },
): Enclave & { readonly emulated: EmulatedEnclave } {
  const emulated = new EmulatedEnclave(options, modules);
  const refusing = async <T>(work: () => T | Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof EmulatorRefusal) throw new DependencyError('enclave', 'refused', error.message, { status: 400, cause: error });
      throw error;
    }
  };
  return {
    emulated,
    address: async () => emulated.wallet,
    publicKey: async () => emulated.teePubkey,
    random: async () => emulated.random32(),
    sign: async (message) => emulated.sign(message),
    signTransaction: (transaction) => refusing(() => emulated.signTransaction(transaction)),
    encrypt: (plaintext, receiver) => refusing(() => emulated.encrypt(String(plaintext), receiver)),
    decrypt: (sealed) => refusing(() => emulated.decrypt(sealed)),
  };
}
