/**
 * What mail programs are given: XML and property lists that parsers of others read.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { formatAppleProfile } from "../../src/web/apple_profile.ts";
import { formatAutoconfig } from "../../src/web/autoconfig.ts";
import { readAutodiscoverAddress } from "../../src/web/autodiscover.ts";
import type { MailService } from "../../src/web/mail_service.ts";

const SERVICE: MailService = {
  domain: "example.org",
  incoming: [
    { kind: "imap", hostname: "imap.example.org", port: 993, tls: "implicit" },
    { kind: "pop3", hostname: "pop.example.org", port: 110, tls: "starttls" },
  ],
  outgoing: [{ kind: "smtp", hostname: "mail.example.org", port: 587, tls: "starttls" }],
};

Deno.test("formatAutoconfig() is what Thunderbird's documentation of the format shows", () => {
  assertEquals(
    formatAutoconfig(SERVICE),
    `<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="example.org">
    <domain>example.org</domain>
    <displayName>example.org</displayName>
    <displayShortName>example.org</displayShortName>
    <incomingServer type="imap">
      <hostname>imap.example.org</hostname>
      <port>993</port>
      <socketType>SSL</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </incomingServer>
    <incomingServer type="pop3">
      <hostname>pop.example.org</hostname>
      <port>110</port>
      <socketType>STARTTLS</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </incomingServer>
    <outgoingServer type="smtp">
      <hostname>mail.example.org</hostname>
      <port>587</port>
      <socketType>STARTTLS</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </outgoingServer>
  </emailProvider>
</clientConfig>
`,
  );
});

Deno.test("formatAppleProfile() gives the same profile for the same address", () => {
  const profile = formatAppleProfile(SERVICE, "alice@example.org")!;
  assertEquals(formatAppleProfile(SERVICE, "alice@example.org"), profile);
  const ids = [...profile.matchAll(/<key>PayloadUUID<\/key>\s*<string>([^<]*)</g)].map((found) =>
    found[1]!
  );
  assertEquals(new Set(ids).size, 2);
  // RFC 9562 §5.8.
  for (const id of ids) {
    assertMatch(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});

Deno.test("formatAppleProfile() gives none where mail cannot be read", () => {
  assertEquals(formatAppleProfile({ ...SERVICE, incoming: [] }, "alice@example.org"), null);
});

Deno.test("readAutodiscoverAddress() reads what Outlook sends", () => {
  const xml = `<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request>
    <EMailAddress>alice@example.org</EMailAddress>
    <AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>
  </Request>
</Autodiscover>`;
  assertEquals(readAutodiscoverAddress(xml), "alice@example.org");
  assertEquals(readAutodiscoverAddress("<EMailAddress>"), null);
  assertEquals(readAutodiscoverAddress(""), null);
});
