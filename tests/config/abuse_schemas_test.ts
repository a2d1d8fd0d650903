import { assertEquals } from "@std/assert";
import { bansSchema } from "../../src/config/policies/bans.ts";
import { greylistingSchema } from "../../src/config/policies/greylisting.ts";
import { loginBackoffSchema } from "../../src/config/policies/login_backoff.ts";
import { tarpitSchema } from "../../src/config/policies/tarpit.ts";

Deno.test("bans, back-off and tarpit are on where nothing is said, greylisting is off", () => {
  assertEquals(bansSchema.parse({}).enabled, true);
  assertEquals(loginBackoffSchema.parse({}).enabled, true);
  assertEquals(tarpitSchema.parse({}).enabled, true);
  assertEquals(greylistingSchema.parse({}).enabled, false);
});

Deno.test("sections of policies give the options of the policies", () => {
  const { logins, first, networkClients } = bansSchema.parse({
    logins: "5/10m",
    first: "1h",
    networkClients: 4,
  });
  assertEquals([logins, first, networkClients], [{ count: 5, per: 600_000 }, 3_600_000, 4]);
  assertEquals(loginBackoffSchema.parse({ known: "90d" }).known, 90 * 86_400_000);
  const grey = greylistingSchema.parse({
    recipients: ["Postmaster@Example.org", "b.example"],
    senders: [".friend.example"],
    exempt: ["192.0.2.0/24"],
  });
  assertEquals(grey.recipients, ["Postmaster@example.org", "b.example"]);
  assertEquals(grey.senders, [".friend.example"]);
});

for (
  const [name, schema, value] of [
    ["a rate that is none", bansSchema, { logins: "often" }],
    ["a network of too many clients", bansSchema, { networkClients: 65 }],
    ["a key that is none", bansSchema, { login: "5/1h" }],
    ["answers that no client waits for", tarpitSchema, { longest: "5m" }],
    ["answers that no client waits for", loginBackoffSchema, { longest: "1h" }],
    ["a window that ends before the delay", greylistingSchema, { delay: "1h", window: "30m" }],
    ["everybody exempt", greylistingSchema, { senders: ["*"] }],
  ] as const
) {
  Deno.test(`the configuration refuses ${name}: ${JSON.stringify(value)}`, () => {
    assertEquals(schema.safeParse(value).success, false);
  });
}
