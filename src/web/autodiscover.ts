/**
 * What Outlook asks for to set up an account (Microsoft's "POX" Autodiscover, [MS-OXDSCLI]): a POST of a little XML with
 * an address to `https://autodiscover.DOMAIN/autodiscover/autodiscover.xml`, answered by the servers.
 *
 * Of the request only the address and the schema that is wanted are looked at, without a parser: what is no such
 * request has none.
 *
 * @module
 */

import type { ClientServer, MailService } from "./mail_service.ts";
import { escapeXml } from "../message/xml_text.ts";

const RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

/** The address that a request is about; `null` where there is none. Entities stand for nothing in an address. */
export function readAutodiscoverAddress(xml: string): string | null {
  const found = /<(?:\w{1,20}:)?EMailAddress>\s*([^<>&\s]{3,320})\s*<\//i.exec(xml);
  return found?.[1] ?? null;
}

/**
 * The answer for a login name, which is an address.
 *
 * @example
 * ```ts
 * import { formatAutodiscover } from "./autodiscover.ts";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const xml = formatAutodiscover({
 *   domain: "example.org",
 *   incoming: [{ kind: "imap", hostname: "mail.example.org", port: 993, tls: "implicit" }],
 *   outgoing: [{ kind: "smtp", hostname: "mail.example.org", port: 465, tls: "implicit" }],
 * }, "alice@example.org");
 * assertStringIncludes(xml, "<LoginName>alice@example.org</LoginName>");
 * ```
 */
export function formatAutodiscover({ incoming, outgoing }: MailService, login: string): string {
  return [
    '<?xml version="1.0" encoding="utf-8"?>',
    `<Autodiscover xmlns="${RESPONSE}">`,
    `  <Response xmlns="${OUTLOOK}">`,
    "    <Account>",
    "      <AccountType>email</AccountType>",
    "      <Action>settings</Action>",
    ...[...incoming, ...outgoing].flatMap((server) => formatProtocol(server, login)),
    "    </Account>",
    "  </Response>",
    "</Autodiscover>",
    "",
  ].join("\n");
}

function formatProtocol({ kind, hostname, port, tls }: ClientServer, login: string): string[] {
  return [
    "      <Protocol>",
    `        <Type>${kind.toUpperCase()}</Type>`,
    `        <Server>${escapeXml(hostname)}</Server>`,
    `        <Port>${port}</Port>`,
    "        <DomainRequired>off</DomainRequired>",
    `        <LoginName>${escapeXml(login)}</LoginName>`,
    "        <SPA>off</SPA>",
    `        <SSL>on</SSL>`,
    `        <Encryption>${tls === "implicit" ? "SSL" : "TLS"}</Encryption>`,
    "        <AuthRequired>on</AuthRequired>",
    "      </Protocol>",
  ];
}

/** What is answered where the address is none of ours. */
export function formatAutodiscoverError(): string {
  return [
    '<?xml version="1.0" encoding="utf-8"?>',
    `<Autodiscover xmlns="${RESPONSE}">`,
    "  <Response>",
    '    <Error Time="00:00:00.0000000" Id="0">',
    "      <ErrorCode>500</ErrorCode>",
    "      <Message>no mailbox of ours</Message>",
    "      <DebugData/>",
    "    </Error>",
    "  </Response>",
    "</Autodiscover>",
    "",
  ].join("\n");
}
