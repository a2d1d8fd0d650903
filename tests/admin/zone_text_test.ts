import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import type { MailHost } from "../../src/admin/dns_records.ts";
import { formatZoneData, formatZoneRecord, formatZones } from "../../src/admin/zone_text.ts";
import { encode } from "../../src/bytes.ts";

const HOST: MailHost = {
  hostname: "mail.example.org",
  addresses: ["192.0.2.25", "2001:DB8:0:0::25"],
  submission: 587,
  submissions: 465,
};
const KEY = { kind: "rsa", data: "A".repeat(392) } as const;

/** The lines that are no comments. */
function published(zone: string): string[] {
  return zone.split("\n").filter((line) => line !== "" && !line.startsWith(";"));
}

Deno.test("formatZoneRecord() writes each type as RFC 1035 §5.1 and RFC 2782 do", () => {
  const lines = [
    formatZoneRecord("example.org", { type: "MX", preference: 10, exchange: "mx.example.org" }),
    formatZoneRecord("example.org", { type: "MX", preference: 0, exchange: "" }),
    formatZoneRecord("mx.example.org", { type: "AAAA", address: "2001:db8::25" }),
    formatZoneRecord("25.2.0.192.in-addr.arpa", { type: "PTR", name: "mx.example.org" }),
    formatZoneRecord("_submissions._tcp.example.org", {
      ...{ type: "SRV", priority: 0, weight: 1, port: 465, target: "mx.example.org" },
    }),
  ];
  assertEquals(lines, [
    "example.org. 3600 IN MX 10 mx.example.org.",
    "example.org. 3600 IN MX 0 .",
    "mx.example.org. 3600 IN AAAA 2001:db8::25",
    "25.2.0.192.in-addr.arpa. 3600 IN PTR mx.example.org.",
    "_submissions._tcp.example.org. 3600 IN SRV 0 1 465 mx.example.org.",
  ]);
});

Deno.test("formatZoneData() quotes, escapes and splits texts", () => {
  const text = (value: string) => formatZoneData({ type: "TXT", text: value });
  assertEquals(text(""), '""');
  assertEquals(text("v=DMARC1; p=none"), '"v=DMARC1; p=none"');
  assertEquals(text('say "hi" \\ there'), '"say \\"hi\\" \\\\ there"');
  assertEquals(text("é\n"), '"\\195\\169\\010"');
  assertEquals(text("x".repeat(255)), `"${"x".repeat(255)}"`);
  assertEquals(text("x".repeat(256)), `"${"x".repeat(255)}" "x"`);
});

Deno.test("formatZoneData() loses nothing of a text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 700 }), (value) => {
      const written = formatZoneData({ type: "TXT", text: value });
      const strings = [...written.matchAll(/"((?:\\\d{3}|\\.|[^"\\])*)"/g)].map(([, inner]) =>
        [...inner!.matchAll(/\\(\d{3})|\\?([^])/g)].map(([, code, plain]) =>
          code === undefined ? plain!.charCodeAt(0) : Number(code)
        )
      );
      assertEquals(written.replaceAll(/"(?:\\.|[^"\\])*"/g, "").trim(), "");
      assert(strings.every((octets) => octets.length <= 255));
      assertEquals(Uint8Array.from(strings.flat()), encode(value));
    }),
    { numRuns: 30 },
  );
});

Deno.test("formatZones() comments what is in another zone or for later", () => {
  const zone = formatZones(HOST, [{ domain: "example.org", dkim: [{ selector: "s", key: KEY }] }]);
  assertEquals(
    published(zone).map((line) => line.split(" ").filter((_, i) => i !== 1).slice(0, 3)),
    [
      ["mail.example.org.", "IN", "A"],
      ["mail.example.org.", "IN", "AAAA"],
      ["mail.example.org.", "IN", "TXT"],
      ["example.org.", "IN", "MX"],
      ["example.org.", "IN", "TXT"],
      ["s._domainkey.example.org.", "IN", "TXT"],
      ["_dmarc.example.org.", "IN", "TXT"],
      ["_smtp._tls.example.org.", "IN", "TXT"],
      ["_submissions._tcp.example.org.", "IN", "SRV"],
      ["_submission._tcp.example.org.", "IN", "SRV"],
    ],
  );
  assertStringIncludes(zone, "\n; 25.2.0.192.in-addr.arpa. 3600 IN PTR mail.example.org.\n");
  assertStringIncludes(zone, '\n; _mta-sts.example.org. 3600 IN TXT "v=STSv1; id=1"\n');
  assertStringIncludes(zone, "https://mta-sts.example.org/.well-known/mta-sts.txt");
  assertStringIncludes(zone, "mode: testing\n;   mx: mail.example.org\n;   max_age: 86400\n");
  // One that others serve for us, as it is configured.
  const stsPolicy = { mode: "enforce", mx: ["*.example.org"], maxAge: 604_800 } as const;
  const enforced = formatZones({ ...HOST, stsPolicy }, [{ domain: "example.org", dkim: [] }]);
  assertStringIncludes(enforced, "mode: enforce\n;   mx: *.example.org\n;   max_age: 604800\n");
});

Deno.test("formatZones() puts the host where it lies", () => {
  const domains = ["example.net", "example.org"].map((domain) => ({ domain, dkim: [] }));
  const [net, org] = formatZones(HOST, domains).split(/(?<=\n)\n(?=; DNS records)/);
  assert(!net!.includes(" IN A "), net);
  assert(published(org!).some((line) => line.includes(" IN A ")), org);
  // In none of them: as a comment with the first.
  const [first, second] = formatZones({ ...HOST, hostname: "mx.test" }, domains)
    .split(/(?<=\n)\n(?=; DNS records)/);
  assertStringIncludes(first!, "\n; mx.test. 3600 IN A 192.0.2.25\n");
  assert(!second!.includes(" IN A "));
});

Deno.test("formatZones() says so where no address is known", () => {
  const zone = formatZones({ ...HOST, addresses: [] }, [{ domain: "example.org", dkim: [] }]);
  assertStringIncludes(zone, "; mail.example.org. 3600 IN A ADDRESS\n");
  assert(published(zone).every((line) => !/ IN (?:A|AAAA|PTR) /.test(line)));
});

Deno.test("formatZones() has one SPF where the domain is the host", () => {
  const zone = formatZones({ ...HOST, hostname: "example.org" }, [{
    domain: "Example.org",
    dkim: [],
  }]);
  assertEquals(published(zone).filter((line) => line.includes("v=spf1")).length, 1);
});

Deno.test("formatZones() writes domains of all alphabets as DNS has them, in ASCII", () => {
  const zone = formatZones(HOST, [{ domain: "bücher.example", dkim: [] }]);
  assert(/^[\n -~]*$/.test(zone), zone);
  assertStringIncludes(zone, "\nxn--bcher-kva.example. 3600 IN MX 10 mail.example.org.\n");
});
