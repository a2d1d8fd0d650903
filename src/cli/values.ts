/**
 * Values on the command line that are more than text: where to listen, and sizes.
 *
 * @module
 */

import { parseSize } from "../directory/users_file.ts";
import { isLoopback } from "../net_address.ts";
import type { SocketAddress } from "../runtime/network.ts";
import { parseSocketAddress } from "../socket_address.ts";
import { UsageError } from "./exit.ts";

/**
 * Reads `ADDR:PORT`, `[IPV6]:PORT` or `unix:PATH`. Port 0 takes a free one.
 *
 * @throws {UsageError} naming the flag and what it wants.
 *
 * @example
 * ```ts
 * import { readListenAddress } from "./values.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readListenAddress("--listen", "[::1]:2525"), {
 *   transport: "tcp",
 *   hostname: "::1",
 *   port: 2525,
 * });
 * ```
 */
export function readListenAddress(flag: string, text: string): SocketAddress {
  const address = parseSocketAddress(text);
  if (address !== null) return address;
  throw new UsageError(`${flag} ${text}: wanted ADDR:PORT, such as 127.0.0.1:2525 or [::1]:2525`);
}

/** Whether only this machine can reach it. A name other than `localhost` counts as open to others. */
export function isLocalOnly(address: SocketAddress): boolean {
  if (address.transport === "unix") return true;
  return address.hostname === "localhost" || isLoopback(address.hostname);
}

/**
 * Reads octets as the users file has them: `1500`, `50M`, `1G` (K, M, G, T of 1,024).
 *
 * @throws {UsageError} naming the flag and what it wants.
 *
 * @example
 * ```ts
 * import { readSize } from "./values.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readSize("--quota", "50M"), 52_428_800);
 * ```
 */
export function readSize(flag: string, text: string): number {
  const octets = parseSize(text);
  if (octets !== null) return octets;
  throw new UsageError(`${flag} ${text}: wanted a size, such as 500K, 50M or 1G`);
}
