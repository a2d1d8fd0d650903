/**
 * The name of this machine: `localhost` and what is below it are no names of DNS, and are always the loopback
 * addresses (RFC 6761 §6.3). For hosts that somebody here has named: what strangers name is asked of DNS alone.
 *
 * @module
 */

import type { DnsAnswer, Resolver } from "./resolver.ts";

/**
 * A resolver that knows this machine, and asks another for the rest.
 *
 * @example
 * ```ts
 * import { withLocalhost } from "./localhost.ts";
 * import { memoryRuntime } from "./memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const resolver = withLocalhost(memoryRuntime().resolver);
 * assertEquals(await resolver.aaaa("localhost"), { status: "found", records: ["::1"] });
 * ```
 */
export function withLocalhost(resolver: Resolver): Resolver {
  return {
    a: async (name, signal) =>
      isLocalhost(name) ? found("127.0.0.1") : await resolver.a(name, signal),
    aaaa: async (name, signal) =>
      isLocalhost(name) ? found("::1") : await resolver.aaaa(name, signal),
    mx: (name, signal) => resolver.mx(name, signal),
    txt: (name, signal) => resolver.txt(name, signal),
    ptr: (address, signal) => resolver.ptr(address, signal),
    cname: (name, signal) => resolver.cname(name, signal),
    srv: (name, signal) => resolver.srv(name, signal),
    tlsa: (name, signal) => resolver.tlsa(name, signal),
  };
}

function isLocalhost(name: string): boolean {
  return /(?:^|\.)localhost\.?$/i.test(name);
}

function found(address: string): DnsAnswer<string> {
  return { status: "found", records: [address] };
}
