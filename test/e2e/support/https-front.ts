/** Imitates the TLS termination of the platform in front of a node: TLS to the caller, plain TCP to the node. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { generate } from 'selfsigned';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** File that contains the certificate, for `NODE_EXTRA_CA_CERTS`. */
  readonly file: string;
  remove(): Promise<void>;
}

/** A certificate for `localhost`, 127.0.0.1 and `*.kms.test`. */
export async function createCertificate(): Promise<Certificate> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'kms.test' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 2, value: '*.kms.test' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  });
  const folder = await mkdtemp(join(tmpdir(), 'kms-certificate-'));
  const file = join(folder, 'certificate.pem');
  await writeFile(file, cert);
  return { key, cert, file, remove: () => rm(folder, { recursive: true, force: true }) };
}

export class HttpsFront {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target = 0;
  #connections = 0;

  private constructor(certificate: Certificate) {
    this.#server = createServer({ key: certificate.key, cert: certificate.cert }, (outside) => {
      this.#connections += 1;
      const inside = connect(this.#target, '127.0.0.1');
      for (const socket of [outside, inside]) {
        this.#sockets.add(socket);
        // When one side fails, the other side is closed too.
        socket.on('error', () => undefined);
        socket.once('close', () => {
          this.#sockets.delete(socket);
          outside.destroy();
          inside.destroy();
        });
      }
      outside.pipe(inside).pipe(outside);
    });
  }

  static async start(certificate: Certificate): Promise<HttpsFront> {
    const front = new HttpsFront(certificate);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    front.#server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    return front;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The number of accepted TLS connections. */
  get connections(): number {
    return this.#connections;
  }

  /** Forwards connections to this local port. */
  forwardTo(port: number): void {
    this.#target = port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    await promise;
  }
}
