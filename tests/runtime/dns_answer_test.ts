import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { isDnsAnswerTo, readDnsAnswer } from "../../src/runtime/dns_answer.ts";
import {
  decodeDnsMessage,
  type DnsData,
  type DnsMessage,
  type DnsRecord,
  encodeDnsMessage,
} from "../../src/runtime/dns_message.ts";

function message(more: Partial<DnsMessage> = {}): DnsMessage {
  return {
    id: 7,
    response: true,
    authoritative: false,
    truncated: false,
    recursionDesired: true,
    recursionAvailable: true,
    rcode: 0,
    question: { name: "example.test", type: "A" },
    answers: [],
    authority: [],
    ...more,
  };
}

function record(name: string, data: DnsData, ttl = 300): DnsRecord {
  return { name, ttl, data };
}

const cname = (name: string, target: string, ttl?: number) =>
  record(name, { type: "CNAME", name: target }, ttl);
const a = (name: string, ttl?: number) => record(name, { type: "A", address: "192.0.2.1" }, ttl);
const soa = record("test", { type: "SOA", minimum: 60 }, 900);
const FOUND: DnsData[] = [{ type: "A", address: "192.0.2.1" }];

const read = (more: Partial<DnsMessage>) => readDnsAnswer(message(more), "Example.test.", "A");

Deno.test("isDnsAnswerTo() wants the id, the question and an answer (RFC 5452 §9)", () => {
  const fits = (more: Partial<DnsMessage>) => isDnsAnswerTo(message(more), 7, "example.test", "A");
  assertEquals(fits({}), true);
  assertEquals(fits({ question: { name: "EXAMPLE.test", type: "A" } }), true);
  assertEquals(fits({ id: 8 }), false);
  assertEquals(fits({ response: false }), false);
  assertEquals(fits({ question: { name: "example.org", type: "A" } }), false);
  assertEquals(fits({ question: { name: "example.test", type: "AAAA" } }), false);
  // Without a question only what nothing is learnt from.
  assertEquals(fits({ question: null }), false);
  assertEquals(fits({ question: null, rcode: 3 }), false);
  assertEquals(fits({ question: null, rcode: 1 }), true);
});

Deno.test("readDnsAnswer() takes the records of the name and no others", () => {
  const forged = a("bank.test");
  const answers = [forged, a("EXAMPLE.test", 120), a("example.test", 60)];
  assertEquals(read({ answers }), { status: "found", data: [...FOUND, ...FOUND], ttl: 60 });
  assertEquals(read({ answers: [forged] }), { status: "none", reason: "nodata", ttl: 0 });
});

Deno.test("readDnsAnswer() follows CNAMEs in any order and takes the shortest TTL", () => {
  const answers = [a("c.test"), cname("b.test", "c.test", 20), cname("example.test", "B.test.")];
  assertEquals(read({ answers }), { status: "found", data: FOUND, ttl: 20, canonical: "c.test" });
});

Deno.test("readDnsAnswer() says where to ask on when a chain leaves the message", () => {
  const answers = [cname("example.test", "elsewhere.org", 30)];
  assertEquals(read({ answers }), { status: "alias", name: "elsewhere.org", ttl: 30 });
  // A SOA says that it ends there (RFC 2308 §2.2).
  assertEquals(read({ answers, authority: [soa] }), { status: "none", reason: "nodata", ttl: 30 });
  assertEquals(read({ answers, rcode: 3 }), { status: "none", reason: "nxdomain", ttl: 0 });
});

Deno.test("readDnsAnswer() ends in loops and in chains without end", () => {
  const loop = { status: "failed", reason: "a loop of CNAMEs" } as const;
  assertEquals(read({ answers: [cname("example.test", "example.test")] }), loop);
  const pair = [cname("example.test", "b.test"), cname("b.test", "example.test")];
  assertEquals(read({ answers: pair }), loop);
  const chain = Array.from({ length: 20 }, (_, i) => cname(`n${i}.test`, `n${i + 1}.test`));
  assertEquals(read({ answers: [cname("example.test", "n0.test"), ...chain] }), loop);
});

Deno.test("readDnsAnswer() believes a no, for as long as RFC 2308 §5 says", () => {
  const nxdomain = { status: "none", reason: "nxdomain" } as const;
  assertEquals(read({ rcode: 3 }), { ...nxdomain, ttl: 0 });
  assertEquals(read({ rcode: 3, authority: [soa] }), { ...nxdomain, ttl: 60 });
  const short = { ...soa, ttl: 10 };
  assertEquals(read({ rcode: 3, authority: [short] }), { ...nxdomain, ttl: 10 });
  assertEquals(read({ authority: [soa] }), { status: "none", reason: "nodata", ttl: 60 });
});

Deno.test("readDnsAnswer() learns nothing from a server that is ill or sends elsewhere", () => {
  const names = { 1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED", 9: "rcode 9" };
  for (const [rcode, reason] of Object.entries(names)) {
    const answers = [a("example.test")];
    assertEquals(read({ rcode: Number(rcode), answers }), { status: "failed", reason });
  }
  // A referral (RFC 2308 §2.2) is not the answer that there is nothing.
  const ns = record("test", { type: "NS", name: "ns.test" });
  assertEquals(read({ authority: [ns] }).status, "failed");
});

Deno.test("readDnsAnswer() never throws, and finds only what is asked for", () => {
  const name = fc.constantFrom("example.test", "b.test", "c.test", "");
  const data: fc.Arbitrary<DnsData> = fc.oneof(
    fc.constant<DnsData>({ type: "A", address: "192.0.2.1" }),
    name.map((target): DnsData => ({ type: "CNAME", name: target })),
    fc.constant<DnsData>({ type: "SOA", minimum: 5 }),
    fc.constant<DnsData>({ type: "NS", name: "ns.test" }),
  );
  const records = fc.array(fc.record({ name, ttl: fc.nat(1000), data }), { maxLength: 6 });
  fc.assert(fc.property(records, records, fc.nat(15), (answers, authority, rcode) => {
    const octets = encodeDnsMessage(message({ answers, authority, rcode }));
    const reading = readDnsAnswer(decodeDnsMessage(octets)!, "example.test", "A");
    if (reading.status === "found") {
      assertEquals(reading.data.every((one) => one.type === "A"), true);
      assertEquals(rcode === 0 || rcode === 3, true);
    }
    if (reading.status === "none") assertEquals(rcode, reading.reason === "nxdomain" ? 3 : 0);
  }));
});
