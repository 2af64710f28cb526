/**
 * A process that takes a secret through its whole life and counts the copies of the secret in its own memory, as bytes or as hex. Each
 * count follows a garbage collection. The search pattern is masked, so that it is not itself a copy of the secret. The argument is the
 * URL of an enclave API. The output is one line of JSON.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import process from 'node:process';
import { keccak256 } from '../../../src/crypto/hash.ts';
import { p384FromScalar } from '../../../src/crypto/p384.ts';
import { sealSecret } from '../../../src/crypto/sealed-secret.ts';
import { Vault } from '../../../src/crypto/vault.ts';
import type { AppId, Wallet } from '../../../src/domain/ids.ts';
import { secretBytes } from '../../../src/domain/secret-bytes.ts';
import { OdynClient } from '../../../src/enclave/odyn-client.ts';
import { MasterSecret } from '../../../src/node/master-secret.ts';
import { systemClock, systemRandom } from '../../../src/system/system.ts';

const CHUNK_BYTES = 1 << 20;
const MASK = 0x5a;
const collect = (globalThis as unknown as { gc: () => void }).gc;

/** A secret, split into two halves. Neither half reveals anything without the other half. */
class Halves {
  readonly #one = systemRandom.bytes(32);
  readonly #other: Uint8Array;

  constructor(bytes: Uint8Array = systemRandom.bytes(32)) {
    this.#other = Uint8Array.from(bytes, (byte, at) => byte ^ this.#one[at]!);
    bytes.fill(0);
  }

  write(): Uint8Array {
    const bytes = secretBytes(32);
    for (let at = 0; at < 32; at += 1) bytes[at] = this.#one[at]! ^ this.#other[at]!;
    return bytes;
  }

  masked(): readonly number[] {
    return Array.from(this.#one, (byte, at) => byte ^ MASK ^ this.#other[at]!);
  }

  /** The masked hex digits, in lower case. */
  maskedHex(): readonly number[] {
    return this.masked().flatMap((byte) => [(byte ^ MASK) >> 4, (byte ^ MASK) & 15].map((digit) => (digit < 10 ? 0x30 + digit : 0x57 + digit) ^ MASK));
  }
}

/** The number of places in the writable memory of this process that contain the unmasked bytes. */
function placesOf(masked: readonly number[]): number {
  const start = Buffer.from(masked.slice(0, 4).map((byte) => byte ^ MASK));
  const chunk = Buffer.from(new ArrayBuffer(CHUNK_BYTES + masked.length - 1));
  const isAt = (place: number): boolean => masked.every((byte, index) => (chunk[place + index]! ^ MASK) === byte);
  const memory = openSync('/proc/self/mem', 'r');
  let copies = 0;
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
    if (range === null) continue;
    const end = Number.parseInt(range[2]!, 16);
    for (let at = Number.parseInt(range[1]!, 16); at < end; at += CHUNK_BYTES) {
      const read = readSync(memory, chunk, 0, Math.min(chunk.length, end - at), at);
      const addresses: number[] = [];
      for (let found = chunk.indexOf(start); found >= 0 && found + masked.length <= read; found = chunk.indexOf(start, found + 1)) {
        if (isAt(found)) addresses.push(at + found);
      }
      chunk.fill(0);
      // A match may have been in `chunk` itself. Now that `chunk` is cleared, only real copies are still there.
      for (const address of addresses) {
        readSync(memory, chunk, 0, masked.length, address);
        if (isAt(0)) copies += 1;
        chunk.fill(0, 0, masked.length);
      }
    }
  }
  closeSync(memory);
  return copies;
}

const copiesOf = (secret: Halves): number => placesOf(secret.masked()) + placesOf(secret.maskedHex());

const vault = new Vault({ random: systemRandom });
const master = new MasterSecret({ vault, emptyStore: () => undefined });
const enclave = new OdynClient({ baseUrl: process.argv[2]! }, { clock: systemClock });
// A node makes its candidate from the randomness of the enclave API.
const [first, second] = [new Halves(await enclave.random()), new Halves()];
const phases: Record<string, readonly [number, number]> = {};
const note = (phase: string): void => {
  for (let round = 0; round < 3; round += 1) collect();
  phases[phase] = [copiesOf(first), copiesOf(second)];
};

function makeAndConfirm(): void {
  const bytes = first.write();
  const hash = keccak256(bytes);
  master.holdCandidate(bytes, 'made');
  note('generated');
  master.observe({ type: 'chain.shows', hash, setHere: false });
  vault.installSyncKey();
  for (let index = 0; index < 50; index += 1) vault.deriveAppKey(100 as AppId, `path ${index}`, undefined, 32).fill(0);
  vault.sealMasterSecret(p384FromScalar('33'.repeat(48)).publicKeyDer);
  for (let index = 0; index < 50; index += 1) vault.auditTag('derive', 100 as AppId, `path ${index}`);
}

function takeAnother(): void {
  const bytes = second.write();
  master.observe({ type: 'chain.shows', hash: keccak256(bytes), setHere: false });
  const request = master.beginSecretRequest();
  const sealed = sealSecret(p384FromScalar('11'.repeat(48)), request.ecdhPubkey, new Uint8Array(12), bytes);
  bytes.fill(0);
  if (master.receiveSecret(request, sealed, `0x${'0b'.repeat(20)}` as Wallet) !== 'installed') throw new Error('the secret was not installed');
  master.endSecretRequest(request);
}

note('drawn, and wiped');
await enclave.close();
makeAndConfirm();
note('serving');
takeAnother();
note('replaced by the second secret');
vault.wipe();
note('after stop');
process.stdout.write(JSON.stringify(phases));
