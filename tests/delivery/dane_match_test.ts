import { assertEquals, assertMatch } from "@std/assert";
import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { matchDane, usableRecords } from "../../src/delivery/dane_match.ts";
import type { TlsaRecord } from "../../src/runtime/resolver.ts";
import { CERTIFICATES, DIGESTS, ROOT_KEY } from "./dane_certificates.ts";

type Name = keyof typeof CERTIFICATES;

/** Days after those on which the certificates were made, and after the day of `brief`. */
const NOW = Date.UTC(2030, 0, 1);

const der = (name: Name) => Uint8Array.fromBase64(CERTIFICATES[name]);

function record(text: string): TlsaRecord {
  const [usage, selector, matching, hex = ""] = text.split(" ");
  return {
    usage: Number(usage),
    selector: Number(selector),
    matching: Number(matching),
    data: Uint8Array.fromHex(hex),
  };
}

/** `null`, or the type of the fault. */
function match(
  records: readonly string[],
  shown: readonly Name[],
  { names = ["mx.example.test"], now = NOW } = {},
): string | null {
  const usable = usableRecords(records.map(record));
  assertEquals(usable.length, records.length);
  return matchDane({ records: usable, names }, shown.map(der), now)?.type ?? null;
}

const { server, root, issuing, rare } = DIGESTS;
const hex = (name: Name) => der(name).toHex();

Deno.test("matchDane() knows a server by its certificate or its key, whatever else is wrong (RFC 7672 §3.1.1)", () => {
  const forms = [
    `3 0 0 ${hex("server")}`,
    `3 0 1 ${server.certificate256}`,
    `3 0 2 ${server.certificate512}`,
    `3 1 1 ${server.key256}`,
    `3 1 2 ${server.key512}`,
  ];
  for (const form of forms) {
    assertEquals(match([form], ["server"]), null, form);
    // Of another name, long after its end, and with nothing or nonsense behind it.
    const odd = { names: ["other.test"], now: Date.UTC(2200, 0, 1) };
    assertEquals(match([form], ["server", "stranger"], odd), null, form);
    assertEquals(match([form], ["issuing", "server"]), "certificate-not-trusted", form);
  }
  assertEquals(match([`3 1 1 ${root.key256}`, forms[3]!], ["server"]), null);
  assertEquals(
    match([`3 1 1 ${rare.key256}`], ["rare"]),
    null,
    "a key of a kind that we cannot use",
  );
  // The server's own certificate is no authority, and an authority is not the server.
  assertEquals(match([`2 1 1 ${server.key256}`], ["server"]), "certificate-not-trusted");
  assertEquals(
    match([`3 1 1 ${root.key256}`], ["server", "issuing", "root"]),
    "certificate-not-trusted",
  );
});

Deno.test("matchDane() follows a chain to the authority a record names (RFC 7672 §3.1.2)", () => {
  const chain: Name[] = ["server", "issuing", "root"];
  for (const form of [`2 0 1 ${root.certificate256}`, `2 1 2 ${root.key512}`]) {
    assertEquals(match([form], chain), null, form);
    assertEquals(match([form], ["server", "root", "stranger", "issuing"]), null, "in any order");
    assertEquals(match([form], ["server", "issuing"]), "certificate-not-trusted", "not sent");
    assertEquals(match([form], ["server", "root"]), "certificate-not-trusted", "a link is missing");
  }
  // Any authority on the way will do, and nothing above it is needed.
  assertEquals(match([`2 1 1 ${issuing.key256}`], ["server", "issuing"]), null);
  // The record has the authority itself, or its key.
  assertEquals(match([`2 0 0 ${hex("root")}`], ["server", "issuing"]), null);
  assertEquals(match([`2 1 0 ${ROOT_KEY}`], ["server", "issuing"]), null);
  assertEquals(match([`2 0 0 ${hex("stranger")}`], chain), "certificate-not-trusted");
});

Deno.test("matchDane() believes no chain that RFC 5280 forbids", () => {
  const anchor = [`2 0 1 ${root.certificate256}`];
  const refused = "certificate-not-trusted";
  assertEquals(match(anchor, ["beyond", "deeper", "issuing", "root"]), refused, "path length");
  assertEquals(match(anchor, ["leafed", "server", "issuing", "root"]), refused, "no authority");
  assertEquals(match(anchor, ["useless", "usage", "root"]), refused, "key usage");
  assertEquals(match(anchor, ["unbound", "bound", "root"]), refused, "names it may not have");
  assertEquals(match(anchor, ["server", "issuing", "stranger"]), refused, "another of that name");
  assertEquals(match([`2 1 1 ${issuing.key256}`], ["forged", "issuing"]), refused, "forged");
  assertEquals(match(anchor, ["late", "brief", "root"]), "certificate-expired");
  const own = [`2 0 1 ${DIGESTS.own.certificate256}`];
  assertEquals(match(own, ["ended", "own"]), "certificate-expired");
  assertEquals(match(own, ["ended", "own"], { now: Date.UTC(2026, 10, 24) }), null);
  const day = { now: Date.UTC(2026, 10, 24) };
  assertEquals(match(anchor, ["late", "brief", "root"], day), null);
  assertEquals(match(anchor, ["server", "issuing", "root"], { now: 0 }), "certificate-expired");
});

Deno.test("matchDane() wants the name of a server that an authority vouches for (RFC 7672 §3.2)", () => {
  const anchor = [`2 1 1 ${issuing.key256}`];
  const named = (name: Name, ...names: string[]) => match(anchor, [name, "issuing"], { names });
  const mismatch = "certificate-host-mismatch";
  assertEquals(named("server", "MX.Example.test."), null);
  assertEquals(named("server", "other.test", "mx.example.test"), null);
  assertEquals(named("server", "a.wild.test"), null);
  for (const name of ["wild.test", "a.b.wild.test", "example.test", "test", ""]) {
    assertEquals(named("server", name), mismatch, name);
  }
  // The common name does not count beside others; alone it does.
  assertEquals(named("server", "whatever.test"), mismatch);
  assertEquals(named("named", "mx.example.test"), null);
  assertEquals(named("named", "evil.test"), mismatch);
  // What looks like a name within another kind of name is none.
  assertEquals(named("spoof", "harmless.test"), null);
  assertEquals(named("spoof", "mx.example.test"), mismatch);
});

Deno.test("usableRecords() leaves out what SMTP cannot use (RFC 7672 §3.1.3, RFC 7671 §9)", () => {
  const [digest, long] = [root.key256, root.key512];
  const cases: [string, boolean][] = [
    [`3 1 1 ${digest}`, true],
    [`2 0 2 ${long}`, true],
    [`0 1 1 ${digest}`, false],
    [`1 1 1 ${digest}`, false],
    [`4 1 1 ${digest}`, false],
    [`255 1 1 ${digest}`, false],
    [`3 2 1 ${digest}`, false],
    [`3 1 3 ${digest}`, false],
    [`3 1 1 ${digest}00`, false],
    [`3 1 2 ${digest}`, false],
    ["3 1 1 ", false],
    ["3 0 0 3082", false],
    [`2 0 0 ${hex("root")}`, true],
    [`2 1 0 ${ROOT_KEY}`, true],
    ["2 1 0 00", false],
  ];
  for (const [text, usable] of cases) {
    assertEquals(usableRecords([record(text)]).length, usable ? 1 : 0, text);
  }
  // The stronger digest of two alone counts, for the same usage and selector.
  const both = [`3 1 1 ${digest}`, `3 1 2 ${long}`, `3 0 1 ${digest}`].map(record);
  assertEquals(usableRecords(both), [both[1]!, both[2]!]);
});

Deno.test("matchDane() says in words what is wrong, and takes everything without usable records", () => {
  const words = (records: string[], shown: Name[]) =>
    matchDane({ records: records.map(record), names: ["mx.test"] }, shown.map(der), NOW)?.text;
  assertMatch(words([`3 1 1 ${root.key256}`], ["server"])!, /does not fit the TLSA record$/);
  assertMatch(
    words([`2 1 1 ${issuing.key256}`], ["server", "issuing"])!,
    /is for mx\.example\.test, \*\.wild\.test, not for mx\.test$/,
  );
  assertMatch(words([`3 1 1 ${root.key256}`], [])!, /no certificate/);
  assertEquals(words([], ["stranger"]), undefined);
});

Deno.test("matchDane() checks so many signatures and no more", () => {
  const names = ["mx.example.test"];
  const chain = [der("server"), der("issuing")];
  const good = record(`2 1 0 ${ROOT_KEY}`);
  const keyOf = (name: Name) =>
    new X509Certificate(der(name)).publicKey.export({ type: "spki", format: "der" });
  const wrong = { ...good, data: Uint8Array.from(keyOf("stranger")) };
  const after = (count: number) =>
    matchDane({ records: [...Array(count).fill(wrong), good], names }, chain, NOW)?.type ?? null;
  assertEquals(after(0), null);
  assertEquals(after(5), null);
  assertEquals(after(40), "certificate-not-trusted");
});

Deno.test("matchDane() never throws, whatever a server shows", () => {
  const whole = (Object.keys(CERTIFICATES) as Name[]).map(der);
  const damaged = fc.tuple(fc.constantFrom(...whole), fc.nat(), fc.nat(255), fc.nat(2000)).map(
    ([octets, at, octet, length]) => {
      const copy = octets.slice(0, Math.max(1, length));
      copy[at % copy.length] = octet;
      return copy;
    },
  );
  const shown = fc.array(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), { maxLength: 15 });
  const records = usableRecords([
    ...[`3 1 1 ${"00".repeat(32)}`, `2 0 0 ${hex("root")}`, `2 1 0 ${ROOT_KEY}`].map(record),
  ]);
  fc.assert(
    fc.property(shown, (certificates) => {
      // Damaged copies have no valid way to an authority that signed the whole ones, unless nothing is damaged.
      matchDane({ records, names: ["x.test"] }, certificates, NOW);
    }),
    { numRuns: 60 },
  );
});
