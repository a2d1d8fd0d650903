/**
 * Whether a host that DNS or a route named is this station itself, as seen by who answers there. `mx.ts` looks
 * at names and addresses before anybody is connected to, but not all addresses are known beforehand: who
 * listens on all of them, behind NAT perhaps, learns only now that mail would come back (RFC 5321 §5.1).
 *
 * Pure. A stranger who calls itself by our name spoils nothing but its own mail, which it could refuse as well.
 *
 * @module
 */

import { canonicalIp } from "../net_address.ts";
import type { SocketAddress } from "../runtime/network.ts";
import { type Reply, reply } from "../smtp/reply.ts";

/** What would make a host ourselves. */
export interface LoopSigns {
  /** The names we answer by. */
  readonly hostnames: readonly string[];
  /** A connection from an address of ours to the same address is one to ourselves. */
  readonly sameAddress: boolean;
  /** Whose mail would come back: a domain; absent where the operator chose the host. */
  readonly domain?: string;
}

/** What a host has said of itself. */
export interface SelfNaming {
  /** Its 220. */
  readonly greeting: Reply;
  /** The first word of its answer to EHLO. */
  readonly name: string;
}

/**
 * By which sign a host that has answered is this station, for people; `null` when it is another.
 *
 * @example
 * ```ts
 * import { ownName } from "./loop_check.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const signs = { hostnames: ["mail.example.org"], sameAddress: true };
 * const greeting = { code: 220, lines: ["mail.example.org ESMTP"] };
 * assertEquals(ownName(signs, { greeting, name: "other.example" }), "mail.example.org");
 * assertEquals(ownName({ ...signs, hostnames: [] }, { greeting, name: "x.example" }), null);
 * ```
 */
export function ownName(signs: LoopSigns, { greeting, name }: SelfNaming): string | null {
  const own = new Set(signs.hostnames.map(normalize));
  // Half the machines of the world call themselves so: it tells none from another.
  own.delete("localhost");
  const greeted = greeting.lines[0]?.trim().split(/\s/, 1)[0] ?? "";
  return [greeted, name].map(normalize).find((said) => own.has(said)) ?? null;
}

/** Whether a connection has both its ends on this station. */
export function isOwnConnection(
  { sameAddress }: LoopSigns,
  local: SocketAddress,
  remote: SocketAddress,
): boolean {
  if (!sameAddress || local.transport !== "tcp" || remote.transport !== "tcp") return false;
  return canonicalIp(local.hostname) === canonicalIp(remote.hostname);
}

/**
 * Why nothing is sent there. For ever where DNS says so; for now where a route does, since a slip in a setting
 * must not bounce all mail.
 *
 * @param host the host, for people. @param sign how it is known.
 */
export function comesBack({ domain }: LoopSigns, host: string, sign: string): Reply {
  const why = `${host} is this server (${sign})`;
  if (domain !== undefined) {
    return reply(554, "5.4.6", `mail for ${domain} would come back: ${why}`);
  }
  return reply(451, "4.4.6", `mail would come back: ${why}; the route must name another`);
}

function normalize(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
