/**
 * Ports that were bound before root was given up: whoever listens at one of them for the first time gets the socket
 * that waits there. Nothing is accepted meanwhile; clients that come early wait in the system's own line.
 *
 * What fails: binding, as the network says. A port that only root can have and that was not bound fails later with
 * advice: a restart.
 *
 * @module
 */

import {
  formatSocketAddress,
  type Listener,
  type Network,
  type SocketAddress,
} from "../runtime/network.ts";
import { errorCode } from "../runtime/system_error.ts";
import { CommandError, EXIT } from "./exit.ts";

/** The lowest port that everybody may have, where the system does not say otherwise. */
const FIRST_FREE_PORT = 1024;

/** Whether only root may listen there. */
export function isPrivileged(address: SocketAddress): boolean {
  return address.transport === "tcp" && address.port > 0 && address.port < FIRST_FREE_PORT;
}

/** Sockets that wait for whoever listens. */
export class BoundPorts {
  readonly #waiting = new Map<string, Listener>();

  /** Binds those of the addresses that only root may have. @throws what cannot be had; none is bound then. */
  static async bind(network: Network, addresses: readonly SocketAddress[]): Promise<BoundPorts> {
    const bound = new BoundPorts();
    try {
      for (const address of addresses.filter(isPrivileged)) {
        bound.#waiting.set(formatSocketAddress(address), await network.listen(address));
      }
      return bound;
    } catch (error) {
      bound.close();
      throw error;
    }
  }

  /** The network for a process that is root no more. */
  over(network: Network): Network {
    return {
      connect: (address, options) => network.connect(address, options),
      tlsServer: (options) => network.tlsServer(options),
      listen: async (address, options) => {
        const name = formatSocketAddress(address);
        const waiting = this.#waiting.get(name);
        if (this.#waiting.delete(name)) return waiting!;
        return await network.listen(address, options).catch((error) => {
          if (!isPrivileged(address) || !isRefused(error)) throw error;
          const why = "root was given up at the start; a new port below 1024 takes a restart";
          throw new CommandError(EXIT.noPermission, `cannot listen on ${name}: ${why}`, {
            cause: error,
          });
        });
      },
    };
  }

  /** Closes those that nobody asked for. */
  close(): void {
    for (const listener of this.#waiting.values()) listener.close();
    this.#waiting.clear();
  }
}

function isRefused(error: unknown): boolean {
  return errorCode(error) === "EACCES" ||
    error instanceof CommandError && error.exitCode === EXIT.noPermission;
}
