/** A cluster in the same environment as on the platform: strict mode, a TLS front for each node, and an egress proxy between the nodes. */
import { startCluster, type Cluster, type ClusterOptions } from './cluster.ts';
import type { ClusterNode } from '../../../src/dev/cluster-node.ts';
import { HttpProxy } from './http-proxy.ts';
import { createCertificate, HttpsFront, type Certificate } from './https-front.ts';

export interface EnclaveCluster {
  readonly cluster: Cluster;
  readonly proxy: HttpProxy;
  readonly certificate: Certificate;
  /** The TLS front of each node, by position. */
  readonly fronts: readonly HttpsFront[];
  /** The URL under which a node is registered. */
  urlOf(node: ClusterNode): string;
  close(): Promise<void>;
}

/** @param options its `environment` overrides the variables that this function sets */
export async function startEnclaveCluster(options: ClusterOptions): Promise<EnclaveCluster> {
  /** Functions that close what this function has started. `close` calls them in reverse order. */
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const certificate = await createCertificate();
    closers.push(() => certificate.remove());
    const fronts = await Promise.all(Array.from({ length: options.nodes }, () => HttpsFront.start(certificate)));
    for (const front of fronts) closers.push(() => front.close());
    const proxy = await HttpProxy.start();
    closers.push(() => proxy.close());
    const cluster = await startCluster({
      ...options,
      environment: {
        IN_ENCLAVE: 'true',
        HTTP_PROXY: proxy.url,
        HTTPS_PROXY: proxy.url,
        NO_PROXY: 'localhost,127.0.0.1',
        NODE_EXTRA_CA_CERTS: certificate.file,
        ...options.environment,
      },
      plans: fronts.map((front, index) => ({
        ...options.plans?.[index],
        url: (port: number) => {
          front.forwardTo(port);
          return `https://node-${index + 1}.kms.test:${front.port}`;
        },
      })),
    });
    closers.push(() => cluster.close());
    return { cluster, proxy, certificate, fronts, urlOf: ({ url }) => url, close };
  } catch (error) {
    await close();
    throw error;
  }
}
