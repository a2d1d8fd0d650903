import { assert, assertEquals, assertMatch } from "@std/assert";
import { daneGuards } from "../../src/delivery/dane.ts";
import type { MailHost } from "../../src/delivery/mx.ts";
import { targetsOf } from "../../src/delivery/remote.ts";
import { guardsInOrder, type HostGuard, type TlsResult } from "../../src/delivery/tls_guard.ts";
import type { RelaySettings } from "../../src/routing/route.ts";
import { MemoryResolver } from "../../src/runtime/memory_resolver.ts";
import { testAuthority } from "../support/certificates.ts";
import { mxRoute, RelayWorld, smarthostRoute } from "./relay_world.ts";
import { jobFor } from "./support.ts";

/** Of the key of `mx.example.test`, and of the authority's, by OpenSSL. */
const KEY = "fd5d2c764bf82d58b83b099609c8e8a9c38d1deb09aac99f2cf412bb3881078c";
const AUTHORITY_KEY = "5be54c350f92cf0302a8ba677a03e6530b271f034da91e6d164783cb41be1ee5";
const OTHER_KEY = "00".repeat(32);
const RELAYED = /^0 relayed 250/;

const DANE = { dane: true } as const;

/** What guards one host of `example.org`. */
async function guard(
  set: (resolver: MemoryResolver) => void,
  host: Partial<MailHost> = {},
  { settings = {}, named = true }: { settings?: Partial<RelaySettings>; named?: boolean } = {},
): Promise<{ guard: HostGuard; asked: string[] }> {
  const resolver = new MemoryResolver();
  resolver.signed.add("example.org");
  set(resolver);
  const hosts = [{
    ...{ name: "mx.example.org", preference: 10, addresses: ["192.0.2.1"], signed: true },
    ...host,
  }];
  const route = mxRoute({ ...DANE, ...settings });
  const question = { route, domain: "example.org", named, hosts };
  const [found] = await daneGuards(resolver).guard(question, []);
  return { guard: found!, asked: [...resolver.questions.keys()] };
}

const at = (name: string, ...tlsa: string[]) => (resolver: MemoryResolver) =>
  resolver.set(name, { tlsa });

Deno.test("daneGuards() takes the records of a host at the port of the route", async () => {
  const { guard: found, asked } = await guard(at("_25._tcp.mx.example.org", `3 1 1 ${KEY}`));
  assertEquals(found, {
    ...{ kind: "dane", base: "mx.example.org", names: ["mx.example.org", "example.org"] },
    records: [{ usage: 3, selector: 1, matching: 1, data: Uint8Array.fromHex(KEY) }],
  });
  assertEquals(asked, ["tlsa _25._tcp.mx.example.org"]);
  const other = await guard(() => {}, {}, { settings: { port: 2525 } as object });
  assertEquals(other.asked, ["tlsa _2525._tcp.mx.example.org"]);
  // Where MX may be forged, the domain's name proves nothing.
  const unnamed = await guard(at("_25._tcp.mx.example.org", `3 1 1 ${KEY}`), {}, { named: false });
  assert(unnamed.guard.kind === "dane");
  assertEquals(unnamed.guard.names, ["mx.example.org"]);
});

Deno.test("daneGuards() asks nothing where DNSSEC does not vouch for addresses (RFC 7672 §2.1.3)", async () => {
  const set = at("_25._tcp.mx.example.org", `3 1 1 ${KEY}`);
  for (
    const [host, settings] of [
      [{ signed: false }, {}],
      [{}, { dane: false }],
      [{}, { tls: "none" }],
      [{}, { tls: "verified" }],
    ] as const
  ) {
    const { guard: found, asked } = await guard(set, host, { settings });
    assertEquals([found.kind, asked], ["none", []]);
  }
});

Deno.test("daneGuards() looks at the end of CNAMEs first, then at the host's own name (RFC 7672 §2.2.2)", async () => {
  const canonical = { canonical: "real.example.org" };
  const both = await guard((resolver) => {
    at("_25._tcp.real.example.org", `3 1 1 ${KEY}`)(resolver);
    at("_25._tcp.mx.example.org", `3 1 1 ${OTHER_KEY}`)(resolver);
  }, canonical);
  assert(both.guard.kind === "dane");
  assertEquals([both.guard.base, both.asked.length], ["real.example.org", 1]);
  const own = await guard(at("_25._tcp.mx.example.org", `3 1 1 ${KEY}`), canonical);
  assert(own.guard.kind === "dane");
  assertEquals(own.guard.base, "mx.example.org");
  // The CNAME is vouched for, and what it leads to is not: only the host's own name counts.
  const away = { signed: false, canonical: "real.elsewhere.test" };
  const alias = (resolver: MemoryResolver) => {
    resolver.set("mx.example.org", { cname: "real.elsewhere.test" });
    at("_25._tcp.real.elsewhere.test", `3 1 1 ${OTHER_KEY}`)(resolver);
    at("_25._tcp.mx.example.org", `3 1 1 ${KEY}`)(resolver);
  };
  const out = await guard(alias, away);
  assert(out.guard.kind === "dane");
  assertEquals(out.guard.base, "mx.example.org");
  const nobody = await guard((resolver) => {
    alias(resolver);
    resolver.signed.clear();
  }, away);
  assertEquals([nobody.guard.kind, nobody.asked], ["none", ["cname mx.example.org"]]);
});

Deno.test("daneGuards() shuts a host whose records cannot be learnt (RFC 7672 §2.1.1)", async () => {
  for (const failure of ["servfail", "timeout", "refused"] as const) {
    const { guard: found } = await guard((resolver) =>
      resolver.failures.set("tlsa _25._tcp.mx.example.org", failure)
    );
    assert(found.kind === "shut");
    assertEquals([found.by, found.fault.type], ["dane", "dnssec-invalid"]);
    assertEquals([found.reply.code, found.reply.enhanced], [451, "4.7.5"]);
    assertMatch(found.reply.lines[0]!, new RegExp(`mx\\.example\\.org.*TLSA.*${failure}`));
  }
  const alias = await guard(
    (resolver) => resolver.failures.set("cname mx.example.org", "servfail"),
    { signed: false, canonical: "x.test" },
  );
  assertEquals(alias.guard.kind, "shut");
});

Deno.test("daneGuards() passes over records that nothing vouches for, and keeps a host without usable ones to TLS", async () => {
  const unsigned = await guard((resolver) => {
    resolver.set("_25._tcp.mx.example.org", { cname: "elsewhere.test" });
    at("elsewhere.test", `3 1 1 ${KEY}`)(resolver);
  });
  assertEquals(unsigned.guard.kind, "none");
  const useless = await guard(at("_25._tcp.mx.example.org", `1 1 1 ${KEY}`, "3 1 1 00"));
  assert(useless.guard.kind === "dane");
  assertEquals(useless.guard.records, []);
});

Deno.test("daneGuards() shuts what has no DANE where the route demands it", async () => {
  const strict = { settings: { tls: "dane" } } as const;
  const kind = async (set: (resolver: MemoryResolver) => void, host: Partial<MailHost> = {}) => {
    const { guard: found } = await guard(set, host, strict);
    return found.kind === "shut" ? found.fault.type : found.kind;
  };
  assertEquals(await kind(() => {}), "dane-required");
  const { guard: shut } = await guard(() => {}, { signed: false }, { settings: { tls: "dane" } });
  assert(shut.kind === "shut");
  assertMatch(
    shut.reply.lines[0]!,
    /DNSSEC does not vouch .*the route demands DANE; see relay\.dnssec/,
  );
  assert(!shut.fault.text.includes("relay.dnssec"));
  assertEquals(await kind(() => {}, { signed: false }), "dane-required");
  assertEquals(await kind(at("_25._tcp.mx.example.org", `1 1 1 ${KEY}`)), "tlsa-invalid");
  assertEquals(await kind(at("_25._tcp.mx.example.org", `3 1 1 ${KEY}`)), "dane");
});

/** `example.org` with one host, signed, whose certificate is that of `mx.example.test`. */
function daneWorld(
  tlsa: readonly string[],
  { host = "mx1.example.org", sign = ["example.org", "example.test"] } = {},
) {
  const results: TlsResult[] = [];
  const world: RelayWorld = new RelayWorld({
    guards: guardsInOrder([
      { guard: (...question) => daneGuards(world.own.resolver).guard(...question) },
      { guard: (_, before) => before, note: (result) => void results.push(result) },
    ]),
  });
  const { resolver } = world.own;
  for (const zone of sign) resolver.signed.add(zone);
  resolver.set("example.org", { mx: [`10 ${host}`] });
  resolver.set(`_25._tcp.${host}`, { tlsa });
  const route = mxRoute(DANE);
  return { world, resolver, results, route };
}

Deno.test("remoteTransport(): mail goes where a TLSA record fits, and the outcome says so", async () => {
  const { world, results, route } = daneWorld([`3 1 1 ${KEY}`]);
  await using _ = world;
  const peer = await world.peer({ tls: world.tls });
  const [outcome] = await world.relayed({}, route);
  assertEquals([outcome!.status, outcome!.tls], ["relayed", "TLSv1.3, DANE"]);
  assertEquals([peer.messages.length, peer.messages[0]!.tls], [1, true]);
  assertEquals(results.map(({ host, guard, fault }) => [host, guard.kind, fault]), [
    ["mx1.example.org", "dane", null],
  ]);
});

Deno.test("remoteTransport(): mail waits where no TLSA record fits, whatever the web's authorities say", async () => {
  const { world, results, route } = daneWorld([`3 1 1 ${OTHER_KEY}`], { host: "mx.example.test" });
  await using _ = world;
  const peer = await world.peer({ tls: world.tls });
  const said = (await world.relay({}, { ...route, authorities: [testAuthority] }))[0]!;
  assertMatch(said, /^0 deferred 451 4\.7\.5 mx\.example\.test .*DANE requires TLS.* TLSA record$/);
  assertEquals([peer.said("MAIL").length, peer.messages.length], [0, 0]);
  assertEquals(results[0]?.fault?.type, "certificate-not-trusted");
});

Deno.test("remoteTransport(): under DANE-TA the certificate must be for the host or the domain", async () => {
  const record = [`2 1 1 ${AUTHORITY_KEY}`];
  // The peer shows its own certificate alone: the authority is in the record.
  const whole = `2 0 0 ${
    Uint8Array.fromBase64(testAuthority.replace(/-----[^-]+-----|\s/g, "")).toHex()
  }`;
  const right = daneWorld([...record, whole], { host: "mx.example.test" });
  {
    await using _ = right.world;
    await right.world.peer({ tls: right.world.tls });
    assertMatch((await right.world.relay({}, right.route))[0]!, RELAYED);
  }
  const wrong = daneWorld([whole]);
  await using _ = wrong.world;
  await wrong.world.peer({ tls: wrong.world.tls });
  assertMatch(
    (await wrong.world.relay({}, wrong.route))[0]!,
    /^0 deferred .*for mx\.example\.test, localhost, not for mx1\.example\.org or example\.org$/,
  );
});

Deno.test("remoteTransport(): DANE does not go on in clear, and takes the next host where one is shut", async () => {
  const { world, resolver, results, route } = daneWorld([`3 1 1 ${KEY}`]);
  await using _ = world;
  const first = await world.peer({ extensions: ["PIPELINING"] });
  assertMatch(
    (await world.relay({}, route))[0]!,
    /^0 deferred 451 4\.7\.4 .*DANE requires TLS, but it was not offered$/,
  );
  assertEquals(results.at(-1)?.fault?.type, "starttls-not-supported");
  // Its records cannot be learnt, those of the other can.
  resolver.set("example.org", { mx: ["10 mx1.example.org", "20 mx2.example.org"] });
  resolver.set("_25._tcp.mx2.example.org", { tlsa: [`3 1 1 ${KEY}`] });
  resolver.failures.set("tlsa _25._tcp.mx1.example.org", "servfail");
  const connections = first.connections;
  const second = await world.peer({ tls: world.tls }, "192.0.2.26");
  assertMatch((await world.relay({}, route))[0]!, RELAYED);
  assertEquals([second.messages.length, first.connections], [1, connections]);
  // And where neither can, the mail waits, with the reason.
  resolver.failures.set("tlsa _25._tcp.mx2.example.org", "timeout");
  assertMatch(
    (await world.relay({}, route))[0]!,
    /^0 deferred 451 4\.7\.5 DANE: mx1\.example\.org: DNS gives no answer about its TLSA records/,
  );
});

Deno.test("remoteTransport(): records without a usable one want TLS, with any certificate", async () => {
  const { world, route } = daneWorld([`0 1 1 ${OTHER_KEY}`]);
  await using _ = world;
  const peer = await world.peer({ tls: world.tls });
  const [outcome] = await world.relayed({}, route);
  assertEquals([outcome!.status, outcome!.tls], ["relayed", "TLSv1.3"]);
  assertEquals(peer.messages[0]!.tls, true);
  const plain = daneWorld([`0 1 1 ${OTHER_KEY}`]);
  await using __ = plain.world;
  await plain.world.peer();
  assertMatch((await plain.world.relay({}, plain.route))[0]!, /^0 deferred 451 4\.7\.4/);
});

Deno.test("remoteTransport(): a connection is kept for those alone whom the same guard sends", async () => {
  const { world, resolver, route } = daneWorld([`3 1 1 ${KEY}`]);
  await using _ = world;
  const peer = await world.peer({ tls: world.tls });
  await world.relay({}, route);
  await world.relay({}, route);
  assertEquals(peer.connections, 1);
  resolver.set("_25._tcp.mx1.example.org", { tlsa: [`3 1 1 ${OTHER_KEY}`] });
  assertMatch((await world.relay({}, route))[0]!, /^0 deferred/);
  assertEquals(peer.messages.length, 2);
});

Deno.test("remoteTransport(): TLS-Required: No lets mail go that DANE would keep (RFC 8689 §5)", async () => {
  const { world, route } = daneWorld([`3 1 1 ${OTHER_KEY}`]);
  await using _ = world;
  const peer = await world.peer({ tls: world.tls });
  const head = "Subject: that your certificate is wrong\r\nTLS-Required: No\r\n";
  assertMatch((await world.relay({ head }, route))[0]!, RELAYED);
  assertEquals(peer.messages.length, 1);
  // The sender's own demand is stronger.
  const entry = { requireTls: true };
  assertMatch((await world.relay({ head, entry }, route))[0]!, /^0 deferred 451 4\.7\.5/);
  // Also where the web's authorities would be content.
  const web = daneWorld([`3 1 1 ${OTHER_KEY}`], { host: "mx.example.test" });
  {
    await using _ = web.world;
    await web.world.peer({ tls: web.world.tls, extensions: ["PIPELINING", "REQUIRETLS"] });
    const known = { ...web.route, authorities: [testAuthority] };
    assertMatch((await web.world.relay({ head, entry }, known))[0]!, /^0 deferred 451 4\.7\.5/);
  }
  for (const other of ["TLS-Required: Yes\r\n", "X-TLS-Required: No\r\n", ""]) {
    const text = `Subject: x\r\n${other}`;
    assertMatch((await world.relay({ head: text }, route))[0]!, /^0 deferred/, other);
  }
});

Deno.test("remoteTransport(): TLS-Required: No counts where another host is dead, and not for what a host has said", async () => {
  const head = "Subject: that your certificate is wrong\r\nTLS-Required: No\r\n";
  const broken = daneWorld([`3 1 1 ${OTHER_KEY}`]);
  {
    await using _ = broken.world;
    broken.resolver.set("example.org", { mx: ["10 mx1.example.org", "20 mx2.example.org"] });
    await broken.world.peer({ tls: broken.world.tls });
    assertMatch((await broken.world.relay({ head }, broken.route))[0]!, RELAYED);
  }
  const well = daneWorld([`3 1 1 ${KEY}`]);
  await using _ = well.world;
  const peer = await well.world.peer({
    tls: well.world.tls,
    on: (line) => line.startsWith("RCPT") ? "451 4.7.1 greylisted" : undefined,
  });
  assertEquals(await well.world.relay({ head }, well.route), ["0 deferred 451 4.7.1 greylisted"]);
  assertEquals(peer.connections, 1);
});

Deno.test("remoteTransport(): TLS-Required: No is no answer to a route that demands DANE", async () => {
  const { world, route } = daneWorld([`3 1 1 ${OTHER_KEY}`], { host: "mx.example.test" });
  await using _ = world;
  const peer = await world.peer({ tls: world.tls });
  const strict = { ...route, tls: "dane", authorities: [testAuthority] } as const;
  const head = "Subject: x\r\nTLS-Required: No\r\n";
  assertMatch((await world.relay({ head }, strict))[0]!, /^0 deferred 451 4\.7\.5/);
  assertEquals(peer.messages.length, 0);
});

Deno.test("remoteTransport(): no domain is told of lookups that were broken off, nor of what a sender demands", async () => {
  const { world, resolver, results, route } = daneWorld([`3 1 1 ${KEY}`], {
    sign: ["example.test"],
  });
  await using _ = world;
  resolver.set("example.org", { mx: ["10 mx1.example.org", "20 mx.example.test"] });
  resolver.failures.set("tlsa _25._tcp.mx.example.test", "servfail");
  const said = (await world.relay({ entry: { requireTls: true } }, route))[0]!;
  assertMatch(said, /^0 deferred 451 4\.7\.5 DANE: mx\.example\.test/);
  assertEquals(results.map(({ host }) => host), ["mx.example.test"]);
  // As a station stops while DNS is asked.
  const stopping = new AbortController();
  const tlsa = resolver.tlsa.bind(resolver);
  resolver.tlsa = (...question) => {
    stopping.abort();
    return tlsa(...question);
  };
  const [outcome] = await world.deliver(jobFor(route), stopping.signal);
  assertEquals([outcome?.status, results.length], ["deferred", 1]);
});

Deno.test("remoteTransport(): REQUIRETLS takes hosts that DNSSEC names, and returns mail for others at once", async () => {
  const entry = { requireTls: true };
  const extensions = ["PIPELINING", "REQUIRETLS"];
  const signed = daneWorld([`3 1 1 ${KEY}`]);
  {
    await using _ = signed.world;
    const peer = await signed.world.peer({ tls: signed.world.tls, extensions });
    assertMatch((await signed.world.relay({ entry }, signed.route))[0]!, RELAYED);
    assertEquals(peer.messages[0]!.mail, "<alice@example.com> REQUIRETLS");
  }
  // A host that proves to be itself may still be the wrong one.
  const unnamed = daneWorld([`3 1 1 ${KEY}`], { host: "mx.example.test", sign: ["example.test"] });
  {
    await using _ = unnamed.world;
    const peer = await unnamed.world.peer({ tls: unnamed.world.tls, extensions });
    assertMatch(
      (await unnamed.world.relay({ entry }, unnamed.route))[0]!,
      /^0 failed 550 5\.7\.30 .*neither DNSSEC nor MTA-STS/,
    );
    assertEquals(peer.connections, 0);
    // Without it the same host is good enough (RFC 7672 §2.2.1).
    assertMatch((await unnamed.world.relay({}, unnamed.route))[0]!, RELAYED);
  }
  // Named, and without TLSA records: then the web's authorities decide.
  const web = daneWorld([], { host: "mx.example.test" });
  await using _ = web.world;
  await web.world.peer({ tls: web.world.tls, extensions });
  const route = { ...web.route, authorities: [testAuthority] };
  assertMatch((await web.world.relay({ entry }, route))[0]!, RELAYED);
  assertMatch((await web.world.relay({ entry }, web.route))[0]!, /^0 deferred 451 4\.7\.5/);
});

Deno.test("targetsOf() asks a host by the name that its records lie at (RFC 7672 §8.1)", () => {
  const hosts = [{ name: "mx.example.org", preference: 10, addresses: ["192.0.2.1"] }];
  const records = [{ usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) }];
  const base = "host.example.net";
  const own = { hostnames: [], addresses: [] };
  const asked = (guards: readonly HostGuard[]) =>
    [...targetsOf(mxRoute(), hosts, false, own, guards)].map(({ serverName }) => serverName);
  assertEquals(asked([{ kind: "dane", base, records, names: [base] }]), [base]);
  assertEquals(asked([]), ["mx.example.org"]);
});

Deno.test("remoteTransport(): a smarthost is guarded where its route says so", async () => {
  for (const [dane, expected] of [[true, /^0 deferred/], [false, RELAYED]] as const) {
    const { world } = daneWorld([`3 1 1 ${OTHER_KEY}`], { host: "mx.example.test" });
    await using _ = world;
    await world.peer({ tls: world.tls });
    assertMatch((await world.relay({}, smarthostRoute({ dane })))[0]!, expected);
  }
});
