/**
 * Whether a client has a name in DNS (PTR), and whether the name leads back to it. Most stations that send mail
 * have both, most machines that were broken into do not; but a provider may leave an honest one without, so it is a
 * choice.
 *
 * It is for strangers (`stranger.ts`). DNS is asked when the client connects, nobody waits for it, and it is judged at
 * RCPT, so that those who hear complaints can still be written to (`postmaster.ts`).
 *
 * What fails: where DNS is ill mail is put off, 450 4.7.25 (RFC 7372 §3.3).
 *
 * @module
 */

import { canonicalIp, type Network } from "../../net_address.ts";
import { reply } from "../../smtp/reply.ts";
import { type Soon, whenKnown } from "../../soon.ts";
import { DEFAULT_EXEMPT, isStranger } from "../abuse/stranger.ts";
import type { Policy, SessionView, Verdict } from "../policy.ts";
import { DEFAULT_DNS_TIMEOUT } from "./dns_time.ts";
import type { DnsAnswer, Resolver } from "../../runtime/resolver.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { withinTime } from "../../runtime/within_time.ts";
import { hearsComplaints } from "./postmaster.ts";
import { SessionMemory } from "../session_memory.ts";

/** What is demanded. */
export interface ReverseDnsOptions {
  /** `require-ptr`: a name; `require-match`: a name that leads back to the address. Default `off`. */
  readonly level?: "off" | "require-ptr" | "require-match";
  /** Milliseconds in which DNS answers. Default {@link DEFAULT_DNS_TIMEOUT}. */
  readonly timeout?: number;
  /** Networks of which nothing is demanded. Default loopback. */
  readonly exempt?: readonly Network[];
}

/** What it asks with. */
export interface ReverseDnsServices {
  /** Answers for DNS. */
  readonly resolver: Pick<Resolver, "a" | "aaaa" | "ptr">;
  /** Tells the time. */
  readonly clock: Clock;
}

/** What was found of an address. */
export type ReverseName = "matches" | "no-name" | "no-match" | "unknown";

/** Names that are followed: whoever has the address may give it any number. */
const MAX_NAMES = 5;

/** What is known of a session: found, or being looked for. */
interface Search {
  readonly over: AbortController;
  found: Soon<ReverseName>;
}

/** The policy. */
export function reverseDns(options: ReverseDnsOptions, services: ReverseDnsServices): Policy {
  const { level = "off", exempt = DEFAULT_EXEMPT, timeout = DEFAULT_DNS_TIMEOUT } = options;
  const searches = new SessionMemory<Search>();
  const concerns = (session: SessionView) => level !== "off" && isStranger(session, exempt);

  function searchFor(session: SessionView): Search {
    const known = searches.get(session);
    if (known !== undefined) return known;
    const over = new AbortController();
    const work = (signal: AbortSignal) =>
      findReverseName(services.resolver, session.client, level === "require-match", signal);
    const search: Search = { over, found: "unknown" };
    search.found = withinTime(services.clock, timeout, work, over.signal)
      .then((found) => search.found = found);
    searches.set(session, search);
    return search;
  }

  return {
    name: "reverse-dns",
    connect(session) {
      if (session.role === "mx" && concerns(session)) searchFor(session);
    },
    recipient(session, recipient) {
      if (!concerns(session) || hearsComplaints(recipient)) return;
      return whenKnown(searchFor(session).found, (found) => judge(session.client, found));
    },
    close(session) {
      searches.drop(session)?.over.abort(null);
    },
  };
}

/**
 * Looks the names of an address up, and with `follow` whether one of them leads back. Never rejects.
 *
 * @example
 * ```ts
 * import { findReverseName } from "./reverse_dns.ts";
 * import { memoryRuntime } from "../../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { resolver } = memoryRuntime();
 * resolver.set("7.2.0.192.in-addr.arpa", { ptr: ["mail.example.org"] });
 * resolver.set("mail.example.org", { a: ["192.0.2.7"] });
 * assertEquals(await findReverseName(resolver, "192.0.2.7", true), "matches");
 * assertEquals(await findReverseName(resolver, "192.0.2.8", true), "no-name");
 * ```
 */
export async function findReverseName(
  resolver: Pick<Resolver, "a" | "aaaa" | "ptr">,
  client: string,
  follow: boolean,
  signal?: AbortSignal,
): Promise<ReverseName> {
  const address = canonicalIp(client);
  const names = await resolver.ptr(address, signal);
  if (names.status !== "found") return names.status === "none" ? "no-name" : "unknown";
  if (!follow) return "matches";
  const type = address.includes(":") ? "aaaa" : "a";
  const answers: DnsAnswer<string>[] = await Promise.all(
    names.records.slice(0, MAX_NAMES).map((name) => resolver[type](name, signal)),
  );
  const leadsBack = (answer: DnsAnswer<string>) =>
    answer.status === "found" && answer.records.some((record) => canonicalIp(record) === address);
  if (answers.some(leadsBack)) return "matches";
  return answers.some(({ status }) => status === "failed") ? "unknown" : "no-match";
}

function judge(client: string, found: ReverseName): Verdict | undefined {
  switch (found) {
    case "matches":
      return;
    case "no-name":
      return {
        action: "reject",
        reply: reply(550, "5.7.25", `${client} has no name in DNS (PTR)`),
      };
    case "no-match": {
      const text = `the names that ${client} has in DNS (PTR) do not lead back to it`;
      return { action: "reject", reply: reply(550, "5.7.25", text) };
    }
    case "unknown": {
      const text = `DNS gives no answer about the name of ${client} (PTR): try again later`;
      return { action: "defer", reply: reply(450, "4.7.25", text) };
    }
  }
}
