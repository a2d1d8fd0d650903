/**
 * Where to listen or connect, as people write it; `formatSocketAddress` of the runtime writes it back.
 *
 * @module
 */

import { parseIp } from "./net_address.ts";
import type { SocketAddress } from "./runtime/network.ts";

/**
 * Reads `ADDR:PORT`, `[IPV6]:PORT` or `unix:PATH`; `null` for anything else. Port 0 takes a free one.
 *
 * @example
 * ```ts
 * import { parseSocketAddress } from "./socket_address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseSocketAddress("[::1]:25"), { transport: "tcp", hostname: "::1", port: 25 });
 * assertEquals(parseSocketAddress("[192.0.2.1]:25"), null);
 * ```
 */
export function parseSocketAddress(text: string): SocketAddress | null {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    return path === "" || path.includes("\0") ? null : { transport: "unix", path };
  }
  const [, ipv6, name, digits] = /^(?:\[(.+)\]|([\w.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const hostname = ipv6 ?? name;
  const port = Number(digits);
  if (hostname === undefined || port > 65_535) return null;
  // In brackets stands IPv6 only, and what is made of digits is no name.
  const octets = ipv6 !== undefined ? 16 : /^[\d.]+$/.test(hostname) ? 4 : null;
  if (octets !== null && parseIp(hostname)?.length !== octets) return null;
  return { transport: "tcp", hostname, port };
}
