/**
 * The name a client says in HELO or EHLO. Whoever says our own name or address lies; that is always looked at. The
 * other checks are a choice, since many honest machines do not know their name.
 *
 * That the name leads to the client's address is not among them: mail must not be refused for that (RFC 5321 §4.1.4).
 * It is for strangers (`stranger.ts`), and judged at RCPT, so that those who hear complaints can still be written to
 * (`postmaster.ts`).
 *
 * What fails: where DNS is ill, a name that must resolve puts mail off (450 4.4.3).
 *
 * @module
 */

import {
  isAddressLiteral,
  parseAddressLiteral,
  parseDomain,
  toAsciiDomain,
} from "../../address.ts";
import { canonicalIp, type Network, parseIp } from "../../net_address.ts";
import { reply } from "../../smtp/reply.ts";
import { DEFAULT_EXEMPT, isStranger } from "../abuse/stranger.ts";
import type { Policy, Verdict } from "../policy.ts";
import { DEFAULT_DNS_TIMEOUT } from "./dns_time.ts";
import type { Resolver } from "../../runtime/resolver.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { withinTime } from "../../runtime/within_time.ts";
import { hearsComplaints } from "./postmaster.ts";

/** Which names are refused. */
export interface HelloChecksOptions {
  /** Our own names, which no stranger has. */
  readonly ownNames?: readonly string[];
  /** Our own IP addresses, which no stranger has. */
  readonly ownAddresses?: readonly string[];
  /** Whether what is neither a domain nor an address literal is refused (RFC 5321 §4.1.1.1). Default `false`. */
  readonly syntax?: boolean;
  /** Whether an address without brackets is refused (RFC 5321 §4.1.3). Default `false`. */
  readonly bareAddress?: boolean;
  /** Whether a name without a dot is refused, which cannot be in DNS (RFC 5321 §2.3.5). Default `false`. */
  readonly dotless?: boolean;
  /** Whether the name must have an address or a mail host in DNS. Default `false`. */
  readonly resolves?: boolean;
  /** Milliseconds in which DNS answers. Default {@link DEFAULT_DNS_TIMEOUT}. */
  readonly timeout?: number;
  /** Networks whose names are not looked at. Default loopback. */
  readonly exempt?: readonly Network[];
}

/** What it asks with. */
export interface HelloChecksServices {
  /** Answers for DNS. */
  readonly resolver: Pick<Resolver, "a" | "aaaa" | "mx">;
  /** Tells the time. */
  readonly clock: Clock;
}

/**
 * The policy.
 *
 * @example
 * ```ts
 * import { helloTrouble } from "./hello_checks.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const own = { ownNames: ["mail.example.org"], bareAddress: true };
 * assertEquals(helloTrouble("mail.example.org", own), "mail.example.org is our name, not yours");
 * assertEquals(helloTrouble("192.0.2.1", own), "an address stands in brackets: [192.0.2.1]");
 * assertEquals(helloTrouble("client.example", own), null);
 * ```
 */
export function helloChecks(options: HelloChecksOptions, services: HelloChecksServices): Policy {
  const { exempt = DEFAULT_EXEMPT, resolves = false } = options;
  return {
    name: "hello-checks",
    recipient(session, recipient) {
      const { hello } = session;
      if (hello === null || !isStranger(session, exempt) || hearsComplaints(recipient)) return;
      const trouble = helloTrouble(hello, options);
      if (trouble !== null) return refuse(`your HELO or EHLO: ${trouble}`);
      return resolves ? mustResolve(hello, options, services) : undefined;
    },
  };
}

/** What is wrong with the name, in words; `null`: nothing that can be seen without DNS. */
export function helloTrouble(name: string, options: HelloChecksOptions): string | null {
  const { ownNames = [], ownAddresses = [] } = options;
  const bare = parseIp(name) !== null;
  const address = bare ? name : addressOf(name);
  if (address !== null) {
    if (ownAddresses.some((own) => canonicalIp(own) === canonicalIp(address))) {
      return `${name} is our address, not yours`;
    }
    if (!bare || options.bareAddress !== true) return null;
    return `an address stands in brackets: [${name.includes(":") ? `IPv6:${name}` : name}]`;
  }
  // A dot at its end does not make it another name.
  const domain = parseDomain(name.replace(/\.$/, ""), { smtputf8: true });
  if (domain === null) {
    return options.syntax === true ? "it is no domain, nor an address in brackets" : null;
  }
  const ascii = toAsciiDomain(domain);
  if (ownNames.some((own) => toAsciiDomain(own) === ascii)) return `${name} is our name, not yours`;
  return options.dotless === true && !domain.includes(".")
    ? `${name} is no full name of a host, such as ${name}.example.org`
    : null;
}

function addressOf(name: string): string | null {
  if (!isAddressLiteral(name)) return null;
  return parseAddressLiteral(name)?.replace(/^\[(?:IPv6:)?|\]$/g, "") ?? null;
}

async function mustResolve(
  name: string,
  { timeout = DEFAULT_DNS_TIMEOUT }: HelloChecksOptions,
  { resolver, clock }: HelloChecksServices,
): Promise<Verdict | undefined> {
  const domain = toAsciiDomain(name);
  if (parseIp(name) !== null || isAddressLiteral(name) || domain === null) return;
  const answers = await withinTime(clock, timeout, (signal) =>
    Promise.all([
      resolver.a(domain, signal),
      resolver.aaaa(domain, signal),
      resolver.mx(domain, signal),
    ]));
  if (answers.some(({ status }) => status === "found")) return;
  if (answers.every(({ status }) => status === "none")) {
    return refuse(`your HELO or EHLO: there is no host ${name} in DNS`);
  }
  const text = `DNS gives no answer about ${name}, which you said in HELO or EHLO: try again later`;
  return { action: "defer", reply: reply(450, "4.4.3", text) };
}

function refuse(text: string): Verdict {
  return { action: "reject", reply: reply(550, "5.7.1", text) };
}
