/**
 * What every {@link Resolver} does, over the same zones.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { DnsZones } from "../../src/runtime/dns_zones.ts";
import type { DnsAnswer, Resolver } from "../../src/runtime/resolver.ts";

/** A resolver for one test, and the zones it answers from. */
export interface ResolverWorld {
  readonly resolver: Resolver;
  readonly zones: DnsZones;
  /** Takes it down. */
  end(): Promise<void> | void;
}

/**
 * Registers the tests.
 *
 * @param start makes a world; where `answers` is false no answer is ever waited for with hope, so that a
 * time-out may be short.
 */
export function resolverContract(
  name: string,
  start: (answers: boolean) => Promise<ResolverWorld>,
): void {
  const test = (
    what: string,
    body: (world: ResolverWorld) => Promise<void>,
    { answers = true } = {},
  ) => {
    Deno.test(`${name}: ${what}`, async () => {
      const world = await start(answers);
      try {
        await body(world);
      } finally {
        await world.end();
      }
    });
  };

  test("a() and aaaa() give addresses", async ({ resolver, zones }) => {
    zones.set("mx.test", { a: ["192.0.2.1", "192.0.2.2"], aaaa: ["2001:db8::1"] });
    assertEquals(sorted(await resolver.a("mx.test")), ["192.0.2.1", "192.0.2.2"]);
    assertEquals(sorted(await resolver.aaaa("mx.test")), ["2001:db8::1"]);
  });

  test("mx() gives preferences and hosts without the dot", async ({ resolver, zones }) => {
    zones.set("example.test", { mx: ["10 a.test", "20 b.test", "65535 xn--bcher-kva.test"] });
    assertEquals(sorted(await resolver.mx("example.test")), [
      { preference: 10, exchange: "a.test" },
      { preference: 20, exchange: "b.test" },
      { preference: 65535, exchange: "xn--bcher-kva.test" },
    ]);
  });

  test("mx() gives a null MX as a host without name", async ({ resolver, zones }) => {
    zones.set("null.test", { mx: ["0 ."] });
    assertEquals(await resolver.mx("null.test"), {
      status: "found",
      records: [{ preference: 0, exchange: "" }],
    });
  });

  test("txt() joins the strings of a record", async ({ resolver, zones }) => {
    const long = `v=spf1 ${"ip4:192.0.2.0/24 ".repeat(20)}-all`;
    zones.set("example.test", { txt: [long, "other"] });
    zones.set("beyond.test", { txt: ["驿站 é"] });
    assertEquals(sorted(await resolver.txt("example.test")), ["other", long]);
    assertEquals(sorted(await resolver.txt("beyond.test")), ["驿站 é"]);
  });

  test("ptr() gives the names of an address", async ({ resolver, zones }) => {
    zones.set("7.2.0.192.in-addr.arpa", { ptr: ["mx.test."] });
    const nibbles = `1${".0".repeat(23)}.8.b.d.0.1.0.0.2`;
    zones.set(`${nibbles}.ip6.arpa`, { ptr: ["six.test"] });
    assertEquals(sorted(await resolver.ptr("192.0.2.7")), ["mx.test"]);
    assertEquals(sorted(await resolver.ptr("2001:db8::1")), ["six.test"]);
    assertEquals((await resolver.ptr("no address")).status, "none");
  });

  test("srv() gives where a service is", async ({ resolver, zones }) => {
    zones.set("_submissions._tcp.example.test", { srv: ["0 1 465 Mail.Example.test."] });
    zones.set("_submission._tcp.example.test", { srv: ["0 0 0 ."] });
    assertEquals(await resolver.srv("_submissions._tcp.example.test"), {
      status: "found",
      records: [{ priority: 0, weight: 1, port: 465, target: "mail.example.test" }],
    });
    // RFC 2782: a target of "." says that the service is not offered.
    assertEquals(sorted(await resolver.srv("_submission._tcp.example.test"))[0]?.target, "");
    assertEquals((await resolver.srv("_smtp._tcp.example.test")).status, "none");
  });

  test("tlsa() gives keys as they are, whether or not they can be used", async (world) => {
    const { resolver, zones } = world;
    zones.set("_25._tcp.mx.test", { tlsa: ["3 1 1 00ff", "9 8 7 "] });
    assertEquals(await resolver.tlsa("_25._tcp.MX.test."), {
      status: "found",
      records: [
        { usage: 3, selector: 1, matching: 1, data: Uint8Array.of(0, 255) },
        { usage: 9, selector: 8, matching: 7, data: new Uint8Array(0) },
      ],
    });
    assertEquals((await resolver.tlsa("_25._tcp.mx2.test")).status, "none");
  });

  test("cname() gives a link and does not follow it", async ({ resolver, zones }) => {
    zones.set("www.test", { cname: "One.test." });
    zones.set("one.test", { cname: "two.test" });
    zones.set("two.test", { a: ["192.0.2.1"] });
    assertEquals(sorted(await resolver.cname("www.test")), ["one.test"]);
    assertEquals(await resolver.cname("two.test"), { status: "none", reason: "nodata" });
    assertEquals(await resolver.cname("no.test"), { status: "none", reason: "nxdomain" });
  });

  test("names are asked without regard to case and the dot at the end", async ({ resolver, zones }) => {
    zones.set("Example.Test.", { mx: ["10 MX.Example.TEST."] });
    for (const name of ["example.test", "EXAMPLE.test."]) {
      assertEquals(await resolver.mx(name), {
        status: "found",
        records: [{ preference: 10, exchange: "mx.example.test" }],
      });
    }
  });

  test("a name that does not exist is told from one without such records", async (world) => {
    const { resolver, zones } = world;
    zones.set("example.test", { a: ["192.0.2.1"] });
    zones.set("deep.below.example.test", { a: ["192.0.2.1"] });
    assertEquals(await resolver.mx("example.test"), { status: "none", reason: "nodata" });
    assertEquals(await resolver.mx("no.test"), { status: "none", reason: "nxdomain" });
    // RFC 8020: what has names below it exists.
    assertEquals(await resolver.mx("below.example.test"), { status: "none", reason: "nodata" });
  });

  test("what no name can be does not exist", async ({ resolver }) => {
    for (
      const name of ["a..test", `${"x".repeat(64)}.test`, `${"x.".repeat(130)}test`, "bücher.test"]
    ) {
      assertEquals(await resolver.a(name), { status: "none", reason: "nxdomain" }, name);
    }
  });

  test("CNAMEs are followed", async ({ resolver, zones }) => {
    zones.set("www.test", { cname: "one.test" });
    zones.set("one.test", { cname: "two.test" });
    zones.set("two.test", { a: ["192.0.2.1"], mx: ["10 mx.test"] });
    zones.set("dangling.test", { cname: "nowhere.test" });
    assertEquals(sorted(await resolver.a("www.test")), ["192.0.2.1"]);
    assertEquals(sorted(await resolver.mx("www.test")), [{ preference: 10, exchange: "mx.test" }]);
    assertEquals(await resolver.txt("www.test"), { status: "none", reason: "nodata" });
    // RFC 6604: the rcode is about the last name.
    assertEquals(await resolver.a("dangling.test"), { status: "none", reason: "nxdomain" });
  });

  test("a loop of CNAMEs is a failure", async ({ resolver, zones }) => {
    zones.set("ping.test", { cname: "pong.test" });
    zones.set("pong.test", { cname: "ping.test" });
    assertEquals((await resolver.a("ping.test")).status, "failed");
  });

  for (const failure of ["servfail", "refused"] as const) {
    test(`a name server that gives ${failure} has said nothing`, async ({ resolver, zones }) => {
      zones.set("ill.test", { mx: ["10 mx.test"], a: ["192.0.2.1"] });
      zones.failures.set("mx ill.test", failure);
      zones.failures.set("gone.test", failure);
      assertEquals((await resolver.mx("ill.test")).status, "failed");
      assertEquals((await resolver.a("gone.test")).status, "failed");
      assertEquals((await resolver.a("ill.test")).status, "found");
    });
  }

  test("a name server that is silent has said nothing", async ({ resolver, zones }) => {
    zones.set("ill.test", { mx: ["10 mx.test"] });
    zones.failures.set("ill.test", "timeout");
    zones.failures.set("gone.test", "timeout");
    const answers = await Promise.all([resolver.mx("ill.test"), resolver.mx("gone.test")]);
    assertEquals(answers.map(({ status }) => status), ["failed", "failed"]);
  }, { answers: false });

  test("an answer too large for a datagram comes whole", async ({ resolver, zones }) => {
    const addresses = Array.from({ length: 60 }, (_, i) => `192.0.2.${i + 100}`);
    zones.set("large.test", { a: addresses });
    zones.failures.set("mx large.test", "truncated");
    assertEquals(sorted(await resolver.a("large.test")), addresses);
    assertEquals(await resolver.mx("large.test"), { status: "none", reason: "nodata" });
  });

  test("a signal ends a question", async ({ resolver, zones }) => {
    zones.set("x.test", { a: ["192.0.2.1"] });
    zones.failures.set("slow.test", "timeout");
    assertEquals((await resolver.a("x.test", AbortSignal.abort())).status, "failed");
    const giveUp = new AbortController();
    const asking = resolver.a("slow.test", giveUp.signal);
    giveUp.abort();
    const answer = await asking;
    assert(answer.status === "failed");
    assertEquals((await resolver.a("x.test")).status, "found");
  });
}

/** The records found, in a fixed order. */
function sorted<T>(answer: DnsAnswer<T>): T[] {
  assert(answer.status === "found", JSON.stringify(answer));
  return [...answer.records].sort((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
}

/** What a {@link Resolver} does whose name server is trusted to validate. */
export function dnssecContract(
  name: string,
  start: (answers: boolean) => Promise<ResolverWorld>,
): void {
  const test = (what: string, body: (world: ResolverWorld) => Promise<void>) => {
    Deno.test(`${name}: ${what}`, async () => {
      const world = await start(true);
      try {
        world.zones.signed.add("signed.test");
        await body(world);
      } finally {
        await world.end();
      }
    });
  };

  test("what lies in signed zones is vouched for, and nothing else", async ({ resolver, zones }) => {
    for (const zone of ["signed.test", "plain.test"]) {
      zones.set(`mx.${zone}`, { a: ["192.0.2.1"] });
      zones.set(`_25._tcp.mx.${zone}`, { tlsa: ["3 1 1 00"] });
    }
    const vouched = async (zone: string) => [
      (await resolver.a(`mx.${zone}`) as Vouched).authenticated,
      (await resolver.tlsa(`_25._tcp.mx.${zone}`) as Vouched).authenticated,
      (await resolver.aaaa(`mx.${zone}`) as Vouched).authenticated,
      (await resolver.mx(`no.${zone}`) as Vouched).authenticated,
    ];
    assertEquals(await vouched("signed.test"), [true, true, true, true]);
    assertEquals(await vouched("plain.test"), [undefined, undefined, undefined, undefined]);
  });

  test("a chain of CNAMEs is vouched for whole, and says where it leads", async (world) => {
    const { resolver, zones } = world;
    zones.set("www.signed.test", { cname: "one.signed.test" });
    zones.set("one.signed.test", { a: ["192.0.2.1"] });
    zones.set("out.signed.test", { cname: "one.plain.test" });
    zones.set("one.plain.test", { cname: "one.signed.test" });
    const found = {
      status: "found",
      records: ["192.0.2.1"],
      canonical: "one.signed.test",
    } as const;
    assertEquals(await resolver.a("www.signed.test"), { ...found, authenticated: true });
    assertEquals(await resolver.a("out.signed.test"), found);
  });

  test("an answer that is forged is no answer", async ({ resolver, zones }) => {
    zones.set("mx.signed.test", { a: ["192.0.2.1"] });
    // As name servers that validate say it (RFC 4035 §5.5).
    zones.failures.set("a mx.signed.test", "servfail");
    assertEquals((await resolver.a("mx.signed.test")).status, "failed");
  });

  test("an answer too large for a datagram comes whole", async ({ resolver, zones }) => {
    const tlsa = Array.from({ length: 30 }, (_, n) => `2 0 2 ${`${10 + n}`.repeat(64)}`);
    zones.set("_25._tcp.mx.signed.test", { tlsa });
    const answer = await resolver.tlsa("_25._tcp.mx.signed.test");
    assertEquals(sorted(answer).length, 30);
    assertEquals((answer as Vouched).authenticated, true);
  });
}

/** What an answer is, as far as DNSSEC is concerned. */
interface Vouched {
  readonly authenticated?: boolean;
}
