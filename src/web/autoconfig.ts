/**
 * What Thunderbird, and many others after it, ask for to set up an account: an XML file with the servers of a domain
 * (Mozilla's autoconfig, `config-v1.1.xml`), at `https://autoconfig.DOMAIN/mail/config-v1.1.xml` or
 * `https://DOMAIN/.well-known/autoconfig/mail/config-v1.1.xml`.
 *
 * It tells nothing of who has an account: the program puts the user's address in by itself.
 *
 * @module
 */

import type { ClientServer, MailService } from "./mail_service.ts";
import { escapeXml } from "../message/xml_text.ts";

/**
 * The file.
 *
 * @example
 * ```ts
 * import { formatAutoconfig } from "./autoconfig.ts";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const xml = formatAutoconfig({
 *   domain: "example.org",
 *   incoming: [{ kind: "imap", hostname: "mail.example.org", port: 993, tls: "implicit" }],
 *   outgoing: [{ kind: "smtp", hostname: "mail.example.org", port: 465, tls: "implicit" }],
 * });
 * assertStringIncludes(xml, '<incomingServer type="imap">');
 * assertStringIncludes(xml, "<port>465</port>");
 * ```
 */
export function formatAutoconfig({ domain, incoming, outgoing }: MailService): string {
  const name = escapeXml(domain);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<clientConfig version="1.1">',
    `  <emailProvider id="${name}">`,
    `    <domain>${name}</domain>`,
    `    <displayName>${name}</displayName>`,
    `    <displayShortName>${name}</displayShortName>`,
    ...incoming.flatMap((server) => formatServer("incomingServer", server)),
    ...outgoing.flatMap((server) => formatServer("outgoingServer", server)),
    "  </emailProvider>",
    "</clientConfig>",
    "",
  ].join("\n");
}

function formatServer(element: string, { kind, hostname, port, tls }: ClientServer): string[] {
  return [
    `    <${element} type="${kind}">`,
    `      <hostname>${escapeXml(hostname)}</hostname>`,
    `      <port>${port}</port>`,
    `      <socketType>${tls === "implicit" ? "SSL" : "STARTTLS"}</socketType>`,
    "      <authentication>password-cleartext</authentication>",
    "      <username>%EMAILADDRESS%</username>",
    `    </${element}>`,
  ];
}
