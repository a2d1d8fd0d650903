/**
 * What programs of a machine call it: they write `root`, `root@localhost`, or `root@` and the bare name that the
 * machine has, and mean somebody of this host.
 *
 * @module
 */

import { type Address, domainKey } from "../address.ts";

/** This machine, by its names. */
export interface Home {
  /** The name that the server has: the domain of names without one. */
  readonly hostname: string;
  /** What else it is called, as {@link domainKey} gives it. */
  readonly nicknames: ReadonlySet<string>;
}

/**
 * This machine, by the name of the server and that of the machine. A name of the machine that has a domain may be one
 * where mail ends elsewhere, and stands for itself.
 *
 * @example
 * ```ts
 * import { atHome, homeOf } from "./home.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const home = homeOf("mx.example.org", "web1");
 * const there = { local: "root", domain: "mx.example.org" };
 * assertEquals(atHome({ local: "root", domain: "localhost" }, home), there);
 * assertEquals(atHome({ local: "root", domain: "Web1" }, home), there);
 * assertEquals(atHome({ local: "root", domain: "example.org" }, home).domain, "example.org");
 * ```
 */
export function homeOf(hostname: string, machine: string): Home {
  const own = machine.includes(".") ? [] : [machine];
  return {
    hostname,
    nicknames: new Set(["localhost", "localhost.localdomain", ...own].map(domainKey)),
  };
}

/** The address, at the name of the server where it is at another of this machine. */
export function atHome({ local, domain }: Address, { hostname, nicknames }: Home): Address {
  return { local, domain: nicknames.has(domainKey(domain)) ? hostname : domain };
}
