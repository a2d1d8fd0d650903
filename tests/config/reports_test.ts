import { assertEquals } from "@std/assert";
import { tlsReportSettings } from "../../src/config/reports.ts";
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
    settings({ domains: ["example.org"], mail: { postmaster: "root@example.net" } }),
    of("root@example.net"),
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
