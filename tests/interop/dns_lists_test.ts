/**
 * Lists of clients in zones of Knot DNS, as the operators of lists write them.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import type { MtaFact } from "../../src/events.ts";
import { dnsLists, type DnsListsOptions } from "../../src/policy/dns/dns_lists.ts";
import { findReverseName } from "../../src/policy/dns/reverse_dns.ts";
import { findMailDomain } from "../../src/policy/dns/sender_domain.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { denoResolver } from "../../src/runtime/deno_resolver.ts";
import { type Knot, startKnot } from "./knot.ts";
import { interopTest } from "./support.ts";

const ZONES = {
  // RFC 5782 §5: 127.0.0.2 is listed, 127.0.0.1 is not.
  "bl.example": `
2.0.0.127 A 127.0.0.2
66.100.51.198 A 127.0.0.4
66.100.51.198 TXT "sent spam, " "see https://bl.example/"
b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2 A 127.0.0.2
`,
  "rhs.example": "test A 127.0.0.2\nspam.example A 127.0.1.2\n",
  "wild.example": "* A 127.0.0.2\n",
  "parked.example": "* A 203.0.113.80\n",
  "broken.example": null,
  "100.51.198.in-addr.arpa": "66 PTR mail.good.example.\n67 PTR mail.good.example.\n",
  "good.example": "@ MX 10 mail\nmail A 198.51.100.66\nnull MX 0 .\n",
};

const PATIENT = 30_000;

/** A policy over Knot, and what it told its operator. */
function policyOver(knot: Knot, options: DnsListsOptions) {
  const troubles: string[] = [];
  const { clock } = denoRuntime();
  const resolver = denoResolver({ servers: [knot.server], timeout: PATIENT });
  const emit = (fact: MtaFact) => void (fact.type === "policy.failed" && troubles.push(fact.error));
  const policy = dnsLists({ timeout: PATIENT, ...options }, { resolver, clock, emit });
  const session = (client: string) => ({
    ...{ id: client, role: "mx", client, hello: null, tls: null, identity: null, trusted: false },
  });
  return { policy, troubles, session, resolver };
}

interopTest(
  "dnsLists() over Knot DNS finds entries by address, IPv6 and domain",
  ["knotd"],
  async () => {
    await using knot = await startKnot(ZONES);
    const lists = [
      { zone: "bl.example", answers: { "127.0.0.2": 2, "127.0.0.4-7": 5 } },
      { zone: "rhs.example", kind: "sender-domain", weight: 10 },
    ] as const;
    const { policy, session, troubles } = policyOver(knot, { lists });
    assertEquals(await policy.score(session("198.51.100.66")), 5);
    assertEquals(await policy.score(session("2001:db8:1:2:3:4:567:89ab")), 2);
    const clean = session("198.51.100.67");
    assertEquals(await policy.score(clean), 0);
    policy.sender?.(clean, { local: "a", domain: "spam.example" });
    assertEquals(await policy.score(clean), 10);
    const envelope = { sender: null, recipients: [] } as never;
    const bad = session("198.51.100.66");
    const verdict = await policy.recipient?.(
      bad,
      { local: "alice", domain: "x.example" },
      envelope,
    );
    assertEquals(verdict?.action === "reject" && verdict.reply.lines, [
      "198.51.100.66 is listed by bl.example: sent spam, see https://bl.example/",
    ]);
    assertEquals(troubles, []);
  },
);

interopTest(
  "dnsLists() over Knot DNS believes no zone that answers everything, nor one that is ill",
  ["knotd"],
  async () => {
    await using knot = await startKnot(ZONES);
    const zones = ["wild.example", "parked.example", "broken.example"];
    const { policy, session, troubles } = policyOver(knot, {
      lists: zones.map((zone) => ({ zone })),
    });
    assertEquals(await policy.score(session("198.51.100.66")), 0);
    assertEquals(troubles.length, 2);
    for (const zone of zones.slice(0, 2)) {
      assertMatch(troubles.find((why) => why.includes(zone))!, /not asked for 60 minutes/);
    }
  },
);

interopTest(
  "findReverseName() and findMailDomain() read a real server's answers",
  ["knotd"],
  async () => {
    await using knot = await startKnot(ZONES);
    const resolver = denoResolver({ servers: [knot.server], timeout: PATIENT });
    assertEquals(await findReverseName(resolver, "198.51.100.66", true), "matches");
    assertEquals(await findReverseName(resolver, "198.51.100.67", true), "no-match");
    assertEquals(await findReverseName(resolver, "198.51.100.68", true), "no-name");
    assertEquals(await findMailDomain(resolver, "good.example"), "takes-mail");
    assertEquals(await findMailDomain(resolver, "null.good.example"), "null-mx");
    assertEquals(await findMailDomain(resolver, "gone.good.example"), "no-domain");
    assertEquals(await findMailDomain(resolver, "broken.example"), "unknown");
  },
);
