import { assertEquals } from "@std/assert";
import { configSchema } from "../../src/config/schema.ts";
import { hasInlineSecret } from "../../src/config/secrets.ts";

const SMALLEST = {
  hostname: "mail.example.org",
  listeners: [{ role: "mx", address: "[::]:25" }],
};
const smarthost = { kind: "smarthost", host: "mx.example.net", tls: "verified" };

/** Where a secret may stand. */
const PLACES: Readonly<Record<string, (secret: unknown) => Record<string, unknown>>> = {
  queue: (srsSecret) => ({ queue: { srsSecret } }),
  acme: (hmacKey) => ({
    acme: {
      ...{ agreeToTerms: true, challenge: "dns-01", dnsHook: "/hook" },
      externalAccount: { keyId: "me", hmacKey },
    },
  }),
  "a filter": (secret) => ({ filters: [{ kind: "http", url: "http://127.0.0.1:1/", secret }] }),
  "a route": (password) => ({
    relay: {
      routes: [{
        domains: ["*"],
        via: { ...smarthost, credentials: { user: "me", password } },
      }],
    },
  }),
};

for (const [place, given] of Object.entries(PLACES)) {
  Deno.test(`hasInlineSecret() tells a secret of ${place} from one in a file`, () => {
    const text = configSchema.parse({ ...SMALLEST, ...given("aVeryLongSecretOf32OctetsOrMore0") });
    assertEquals(hasInlineSecret(text), true);
    const file = configSchema.parse({ ...SMALLEST, ...given({ file: "/etc/secret" }) });
    assertEquals(hasInlineSecret(file), false);
  });
}
