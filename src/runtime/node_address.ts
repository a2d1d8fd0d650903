/**
 * Addresses as `node:net` gives them, as ours.
 *
 * @module
 */

import type { SocketAddress } from "./network.ts";

/**
 * An address of TCP. A dual-stack socket gives IPv4 peers as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2); policies and
 * logs shall see one form of an address only.
 */
export function nodeAddress(address = "", port = 0): SocketAddress {
  const hostname = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  return { transport: "tcp", hostname, port };
}
