/**
 * How many connections each client has, over all listeners of a station: who may have fifty has not fifty on each
 * port.
 *
 * @module
 */

import { clientKey, isLoopback } from "../net_address.ts";
import type { SocketAddress } from "../runtime/network.ts";

/** Connections by client. */
export class ClientCounts {
  readonly #counts = new Map<string, number>();

  /** How many clients are connected. */
  get size(): number {
    return this.#counts.size;
  }

  /**
   * Counts one more connection, unless there are `most` already: `null` then. Gives what to {@link leave} with; who is
   * not counted (loopback, unix sockets) is let in always.
   */
  enter(remote: SocketAddress, most: number): string | null {
    if (remote.transport === "unix" || isLoopback(remote.hostname)) return "";
    const client = clientKey(remote.hostname);
    const count = this.#counts.get(client) ?? 0;
    if (count >= most) return null;
    this.#counts.set(client, count + 1);
    return client;
  }

  /** A connection is over. */
  leave(client: string): void {
    const count = (this.#counts.get(client) ?? 1) - 1;
    if (count > 0) this.#counts.set(client, count);
    else this.#counts.delete(client);
  }
}
