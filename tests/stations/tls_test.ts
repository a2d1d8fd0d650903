/**
 * What is promised about TLS is kept from station to station: REQUIRETLS (RFC 8689), routes that demand it,
 * and mail that goes in clear rather than not at all where nothing was promised (RFC 7435).
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { otherCertificate, testAuthority } from "../support/certificates.ts";
import { fates, readReport } from "./report.ts";
import { DAY, HOUR, SECOND, type StationOptions, World } from "./world.ts";

/** Trusts the authority of the tests. */
const TRUSTING: StationOptions = {
  routes: [{ domains: ["*"], via: { kind: "mx", authorities: [testAuthority] } }],
};
/** `other.test`, with a certificate for its host. */
const OTHER: StationOptions = { certificates: [otherCertificate] };
const REQUIRED = { requireTls: true };

/** All names are vouched for by DNSSEC, as REQUIRETLS wants it. */
function signedWorld(): World {
  const world = new World();
  for (const zone of ["test", "example"]) world.resolver.signed.add(zone);
  return world;
}

Deno.test("a mail with REQUIRETLS goes to a station with a valid certificate that offers it", async () => {
  await using world = signedWorld();
  const a = await world.station("a.example", TRUSTING);
  const b = await world.station("other.test", OTHER);
  await a.submit("alice@a.example", "bob@other.test", REQUIRED);
  await world.pass(SECOND);
  assertEquals((await b.mailbox("bob")).length, 1);
  assertMatch((await b.mailbox("bob"))[0]!, /with ESMTPS/);
  assertEquals(a.of("delivery.done")[0]?.tls, "TLSv1.3");
});

Deno.test("REQUIRETLS is kept by the next station, and the one after it (RFC 8689 §4.2.1)", async () => {
  await using world = signedWorld();
  const a = await world.station("a.example", TRUSTING);
  const b = await world.station("other.test", {
    ...OTHER,
    ...TRUSTING,
    directory: { accounts: {}, aliases: { "fwd@other.test": "x@c.example" } },
  });
  const c = await world.peer("c.example"); // knows no TLS
  await a.submit("alice@a.example", "fwd@other.test", REQUIRED);
  await world.pass(HOUR);
  assertEquals(c.messages, []);
  assertEquals([b.of("message.accepted").length, c.said("MAIL")], [1, []]);
});

Deno.test("a mail with REQUIRETLS comes back where the next station does not offer it, 5.7.30", async () => {
  await using world = signedWorld();
  const a = await world.station("a.example", TRUSTING);
  const b = await world.station("other.test", {
    ...OTHER,
    listener: { extensions: { requireTls: false } },
  });
  await a.submit("alice@a.example", "bob@other.test", { ...REQUIRED, dsnReturn: "FULL" });
  await world.pass(SECOND);
  const [report] = (await a.mailbox("alice")).map(readReport);
  assertEquals(fates(report!), ["bob@other.test failed 5.7.30"]);
  // RFC 8689 §5: only the header section, whatever RET says.
  assertEquals(report!.types.at(-1), "text/rfc822-headers");
  assertEquals(await b.mailbox("bob"), []);
});

Deno.test("a mail with REQUIRETLS comes back at once where anybody could have named the hosts, 5.7.30", async () => {
  await using world = new World();
  const a = await world.station("a.example", TRUSTING);
  const b = await world.station("other.test", OTHER);
  await a.submit("alice@a.example", "bob@other.test", REQUIRED);
  await world.pass(SECOND);
  const [report] = (await a.mailbox("alice")).map(readReport);
  assertEquals(fates(report!), ["bob@other.test failed 5.7.30"]);
  assertEquals(b.of("message.accepted"), []);
});

Deno.test("a mail with REQUIRETLS waits while a certificate is not valid, and never goes in clear", async () => {
  await using world = signedWorld();
  const a = await world.station("a.example"); // trusts nobody
  const b = await world.station("other.test", OTHER);
  await a.submit("alice@a.example", "bob@other.test", REQUIRED);
  await world.pass(HOUR);
  assertEquals([(await a.queued()).length, b.of("message.accepted").length], [1, 0]);
  await world.pass(5 * DAY);
  assertEquals([(await a.queued()).length, b.of("message.accepted").length], [0, 0]);
  const fate = (await a.mailbox("alice")).map(readReport).flatMap(fates);
  assertEquals(fate.at(-1), "bob@other.test failed 4.4.7");
});

Deno.test("the notice of a mail with REQUIRETLS needs TLS all the way too (RFC 8689 §5)", async () => {
  for (const offered of [true, false]) {
    await using world = signedWorld();
    const home = await world.station("other.test", {
      ...OTHER,
      listener: { extensions: { requireTls: offered } },
    });
    const a = await world.station("a.example", TRUSTING);
    await a.submit("bob@other.test", "x@nowhere.example", REQUIRED);
    await world.pass(SECOND);
    const reports = (await home.mailbox("bob")).map(readReport);
    const wanted = offered ? ["x@nowhere.example failed 5.1.2"] : [];
    assertEquals(reports.flatMap(fates), wanted);
    assertEquals(a.of("notice.dropped").length, offered ? 0 : 1);
    assertEquals(await a.queued(), []);
  }
});

Deno.test("REQUIRETLS for a mailbox here is no hindrance", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  await a.submit("alice@a.example", ["bob@a.example"], REQUIRED);
  await world.pass(SECOND);
  assertEquals((await a.mailbox("bob")).length, 1);
});

Deno.test("mail goes in clear where TLS fails and nobody demanded it (RFC 7435 §4.3)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const peer = await world.peer("b.example", {
    extensions: ["STARTTLS"],
    on: (line) => line === "STARTTLS" ? "454 4.7.0 no" : undefined,
  });
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(SECOND);
  assertEquals(peer.messages.map(({ tls }) => tls), [false]);
});

Deno.test("mail waits where the route demands TLS and there is none, and goes when there is", async () => {
  await using world = new World();
  const a = await world.station("a.example", {
    routes: [{
      domains: ["*"],
      via: { kind: "mx", tls: "verified", authorities: [testAuthority] },
    }],
  });
  const b = await world.station("other.test", { certificates: [] });
  await a.submit("alice@a.example", "bob@other.test");
  await world.pass(HOUR);
  assertEquals([(await a.queued()).length, b.of("message.accepted").length], [1, 0]);
  assertMatch((await a.queued())[0]!.reason!, /4\.7\.4/);
  await world.clock.runUntil(b.stop());
  Object.assign(b.options, OTHER);
  await b.start();
  await world.pass(2 * HOUR);
  assertEquals((await b.mailbox("bob")).length, 1);
});
