/**
 * The connections to the enclave API. Their number is limited. A connection stays open for later requests, and the most recently used one
 * is used first. A request waits if all connections are busy. Servers close connections that have been idle for some seconds, and a request
 * that is sent at that moment fails. So a connection that has been idle for longer than `MAX_IDLE_MS` is not used again.
 */
import type { Clock } from '../domain/ports.ts';
import { OdynConnection, type Exchange, type OdynAddress } from './odyn-connection.ts';

const MAX_IDLE_MS = 2_000;

export interface OdynConnectionsOptions extends OdynAddress {
  /** Maximum number of open connections. */
  readonly maxConnections: number;
}

export class OdynConnections {
  readonly #options: OdynConnectionsOptions;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #open = new Set<OdynConnection>();
  /** Sorted by time of last use; the most recent one is last. */
  readonly #idle: OdynConnection[] = [];
  /** Exchanges that wait, oldest first. `onNew` is true if the exchange needs a new connection. */
  readonly #waiting: { readonly exchange: Exchange; readonly onNew: boolean }[] = [];
  #isClosed = false;

  constructor(options: OdynConnectionsOptions, modules: { readonly clock: Pick<Clock, 'monotonicMs'> }) {
    this.#options = options;
    this.#clock = modules.clock;
  }

  /** @param onNew whether the exchange needs a connection that has carried no other request */
  send(exchange: Exchange, onNew: boolean): void {
    if (this.#isClosed) exchange.onFailure(new Error('the client is closed'));
    else if (this.#areAllBusy()) this.#waiting.push({ exchange, onNew });
    else ((onNew ? null : this.#takeIdle()) ?? this.#connect()).send(exchange);
  }

  /** Drops the exchange without calling its functions. Its connection is closed, because the answer may still arrive. */
  drop(exchange: Exchange): void {
    const place = this.#waiting.findIndex((waiting) => waiting.exchange === exchange);
    if (place !== -1) this.#waiting.splice(place, 1);
    for (const connection of this.#open) if (connection.exchange === exchange) this.#discard(connection);
    this.#runNext();
  }

  /** Fails all exchanges. */
  close(): void {
    this.#isClosed = true;
    const running = [...this.#open].flatMap(({ exchange }) => exchange ?? []);
    const exchanges = [...running, ...this.#waiting.splice(0).map(({ exchange }) => exchange)];
    this.#idle.length = 0;
    for (const connection of this.#open) this.#discard(connection);
    for (const exchange of exchanges) exchange.onFailure(new Error('the client is closed'));
  }

  #areAllBusy(): boolean {
    return this.#open.size - this.#idle.length >= this.#options.maxConnections;
  }

  #takeIdle(): OdynConnection | null {
    const newest = this.#idle.pop();
    if (newest === undefined) return null;
    if (this.#clock.monotonicMs() - newest.idleSinceMs <= MAX_IDLE_MS) return newest;
    // All other idle connections have been idle for even longer.
    for (const connection of [newest, ...this.#idle.splice(0)]) this.#discard(connection);
    return null;
  }

  #connect(): OdynConnection {
    const oldest = this.#open.size >= this.#options.maxConnections ? this.#idle.shift() : undefined;
    if (oldest !== undefined) this.#discard(oldest);
    const connection = new OdynConnection(this.#options, (freed, isOpen) => this.#onFree(freed, isOpen));
    this.#open.add(connection);
    return connection;
  }

  #discard(connection: OdynConnection): void {
    this.#open.delete(connection);
    connection.destroy();
  }

  #onFree(connection: OdynConnection, isOpen: boolean): void {
    if (isOpen) {
      connection.idleSinceMs = this.#clock.monotonicMs();
      this.#idle.push(connection);
    } else {
      this.#open.delete(connection);
      const place = this.#idle.indexOf(connection);
      if (place !== -1) this.#idle.splice(place, 1);
    }
    this.#runNext();
  }

  #runNext(): void {
    // This function also runs when an idle connection closes, and all other connections may then be busy. Without this check, `send` would
    // put the oldest waiting exchange behind all others.
    if (this.#isClosed || this.#areAllBusy()) return;
    const next = this.#waiting.shift();
    if (next !== undefined) this.send(next.exchange, next.onNew);
  }
}
