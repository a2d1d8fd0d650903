import { assertEquals } from "@std/assert";
import { dmarcReportSettings, tlsReportSettings } from "../../src/config/reports.ts";
import { type ConfigInput, configSchema } from "../../src/config/schema.ts";

const LISTENERS = [{ role: "mx", address: "[::]:25" }] as const;

function settings(more: Partial<ConfigInput>) {
  const config = { hostname: "mx.example.org", listeners: [...LISTENERS], ...more };
  return tlsReportSettings(configSchema.parse(config));
}

Deno.test("tlsReportSettings() names a postmaster of ours where nobody is named", () => {
  const of = (contact: string) => ({ contact, organization: contact.replace(/^.*@/, "") });
  assertEquals(settings({}), of("postmaster@mx.example.org"));
  assertEquals(settings({ domains: ["example.org", "example.net"] }), of("postmaster@example.org"));
  assertEquals(
    settings({ domains: ["example.org"], mail: { postmaster: "root@EXAMPLE.org" } }),
    of("root@example.org"),
  );
  // Who reads the postmaster's mail at a provider is nobody of ours.
  assertEquals(
    settings({ domains: ["example.org"], mail: { postmaster: "root@example.net" } }),
    of("postmaster@example.org"),
  );
  const tls = { contact: "tls@example.com", organization: "Example" };
  assertEquals(settings({ mail: { postmaster: "root@example.net" }, reports: { tls } }), tls);
});

Deno.test("tlsReportSettings() names nobody in letters that From and MAIL could not have", () => {
  assertEquals(settings({ domains: ["bücher.example"] })?.contact, "postmaster@mx.example.org");
  assertEquals(
    settings({ mail: { postmaster: "jürgen@example.org" } })?.contact,
    "postmaster@mx.example.org",
  );
});

Deno.test("tlsReportSettings() is null where nothing is reported", () => {
  assertEquals(settings({ reports: { tls: { enabled: false } } }), null);
  assertEquals(settings({ relay: { enabled: false } }), null);
});

Deno.test("dmarcReportSettings() reports where mail is checked and sent, unless it is switched off", () => {
  const of = (more: Partial<ConfigInput>) => {
    const config = { hostname: "mx.example.org", listeners: [...LISTENERS], ...more };
    return dmarcReportSettings(configSchema.parse(config));
  };
  const own = { contact: "postmaster@mx.example.org", organization: "mx.example.org" };
  assertEquals(of({}), own);
  assertEquals(of({ authentication: { enabled: true } }), own);
  assertEquals(of({ authentication: { enabled: false } }), null);
  assertEquals(of({ authentication: { enabled: true }, relay: { enabled: false } }), null);
  assertEquals(of({ reports: { dmarc: { enabled: false } } }), null);
  const dmarc = { contact: "dmarc@example.com", organization: "Example" };
  assertEquals(of({ reports: { dmarc } }), dmarc);
});
