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
  readonly #running = new Map<Exchange, OdynConnection>();
  /** Sorted by time of last use; the most recent one is last. */
  readonly #idle: OdynConnection[] = [];
  /** Exchanges that wait, oldest first. The value is true if the exchange needs a new connection. */
  readonly #waiting = new Map<Exchange, boolean>();
  #isClosed = false;

  constructor(options: OdynConnectionsOptions, modules: { readonly clock: Pick<Clock, 'monotonicMs'> }) {
    this.#options = options;
    this.#clock = modules.clock;
  }

  /** @param onNew whether the exchange needs a connection that has carried no other request */
  send(exchange: Exchange, onNew: boolean): void {
    if (this.#isClosed) exchange.onFailure(new Error('the client is closed'));
    else if (this.#running.size >= this.#options.maxConnections) this.#waiting.set(exchange, onNew);
    else this.#run(exchange, (onNew ? null : this.#takeIdle()) ?? this.#connect());
  }

  /** Drops the exchange without calling its functions. Its connection is closed, because the answer may still arrive. */
  drop(exchange: Exchange): void {
    this.#waiting.delete(exchange);
    const connection = this.#running.get(exchange);
    if (connection === undefined) return;
    connection.destroy();
    this.#running.delete(exchange);
    this.#runNext();
  }

  /** Fails all exchanges. */
  close(): void {
    this.#isClosed = true;
    const exchanges = [...this.#running.keys(), ...this.#waiting.keys()];
    for (const connection of [...this.#running.values(), ...this.#idle.splice(0)]) connection.destroy();
    this.#running.clear();
    this.#waiting.clear();
    for (const exchange of exchanges) exchange.onFailure(new Error('the client is closed'));
  }

  #run(exchange: Exchange, connection: OdynConnection): void {
    this.#running.set(exchange, connection);
    connection.send(exchange);
  }

  #takeIdle(): OdynConnection | null {
    const newest = this.#idle.pop();
    if (newest === undefined) return null;
    if (this.#clock.monotonicMs() - newest.idleSinceMs <= MAX_IDLE_MS) return newest;
    // All other idle connections have been idle for even longer.
    for (const connection of [newest, ...this.#idle.splice(0)]) connection.destroy();
    return null;
  }

  #connect(): OdynConnection {
    if (this.#running.size + this.#idle.length >= this.#options.maxConnections) this.#idle.shift()?.destroy();
    return new OdynConnection(this.#options, (connection, ended, isOpen) => this.#onFree(connection, ended, isOpen));
  }

  #onFree(connection: OdynConnection, ended: Exchange | null, isOpen: boolean): void {
    if (ended !== null) this.#running.delete(ended);
    if (isOpen) {
      connection.idleSinceMs = this.#clock.monotonicMs();
      this.#idle.push(connection);
    } else {
      const place = this.#idle.indexOf(connection);
      if (place !== -1) this.#idle.splice(place, 1);
    }
    this.#runNext();
  }

  #runNext(): void {
    // This function also runs when an idle connection closes, and all other connections may then be busy. Without this check, `send` would
    // put the oldest waiting exchange behind all others.
    if (this.#isClosed || this.#running.size >= this.#options.maxConnections) return;
    const [next] = this.#waiting;
    if (next === undefined) return;
    const [exchange, onNew] = next;
    this.#waiting.delete(exchange);
    this.send(exchange, onNew);
  }
}
