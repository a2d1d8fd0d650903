/**
 * Values on the command line that are more than text: where to listen, and sizes.
 *
 * @module
 */

import { isLoopback } from "../net_address.ts";
import type { SocketAddress } from "../runtime/runtime.ts";
import { UsageError } from "./exit.ts";

/**
 * Reads `ADDR:PORT`, `[IPV6]:PORT` or `unix:PATH`. Port 0 takes a free one.
 *
 * @throws {UsageError} naming the flag and what it wants.
 *
 * @example
 * ```ts
 * import { parseListenAddress } from "./values.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseListenAddress("--listen", "[::1]:2525"), {
 *   transport: "tcp",
 *   hostname: "::1",
 *   port: 2525,
 * });
 * ```
 */
export function parseListenAddress(flag: string, text: string): SocketAddress {
  if (text.startsWith("unix:") && text.length > "unix:".length) {
    return { transport: "unix", path: text.slice("unix:".length) };
  }
  const parts = /^(?:\[([\da-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text);
  const hostname = parts?.[1] ?? parts?.[2];
  const port = Number(parts?.[3]);
  if (hostname === undefined || port > 65535) {
    throw new UsageError(`${flag} ${text}: wanted ADDR:PORT, such as 127.0.0.1:2525 or [::1]:2525`);
  }
  return { transport: "tcp", hostname, port };
}

/** Whether only this machine can reach it. A name other than `localhost` counts as open to others. */
export function isLocalOnly(address: SocketAddress): boolean {
  if (address.transport === "unix") return true;
  return address.hostname === "localhost" || isLoopback(address.hostname);
}

/**
 * Reads octets: `1500`, `50M`, `1.5G` (K, M, G, T of 1,024).
 *
 * @throws {UsageError} naming the flag and what it wants.
 *
 * @example
 * ```ts
 * import { parseSize } from "./values.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseSize("--quota", "50M"), 52_428_800);
 * ```
 */
export function parseSize(flag: string, text: string): number {
  const parts = /^(\d{1,12}(?:\.\d{1,3})?)([KMGT]?)(?:i?B)?$/i.exec(text);
  const exponent = ["", "K", "M", "G", "T"].indexOf(parts?.[2]?.toUpperCase() ?? "");
  const octets = Math.floor(Number(parts?.[1]) * 1024 ** exponent);
  if (!Number.isSafeInteger(octets) || octets === 0) {
    throw new UsageError(`${flag} ${text}: wanted a size, such as 500K, 50M or 1G`);
  }
  return octets;
}
