/**
 * A configuration profile for iPhones, iPads and Macs: a property list that sets up the account when it is opened
 * (Apple's `com.apple.mail.managed` payload). It holds no password; the device asks for it.
 *
 * A profile is known by its identifier: one for the same address replaces the one before.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { ClientServer, MailService } from "./mail_service.ts";
import { escapeXml } from "../message/xml_text.ts";

/**
 * The profile for a login name, which is an address; `null` where there is no way to read mail.
 *
 * @example
 * ```ts
 * import { formatAppleProfile } from "./apple_profile.ts";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const profile = formatAppleProfile({
 *   domain: "example.org",
 *   incoming: [{ kind: "imap", hostname: "mail.example.org", port: 993, tls: "implicit" }],
 *   outgoing: [{ kind: "smtp", hostname: "mail.example.org", port: 465, tls: "implicit" }],
 * }, "alice@example.org")!;
 * assertStringIncludes(profile, "<string>EmailTypeIMAP</string>");
 * ```
 */
export function formatAppleProfile(
  { domain, incoming, outgoing }: MailService,
  login: string,
): string | null {
  const [reading] = incoming;
  const [sending] = outgoing;
  if (reading === undefined || sending === undefined) return null;
  const identifier = `mail.${reversed(domain)}`;
  const account = dictionary({
    PayloadType: "com.apple.mail.managed",
    PayloadVersion: 1,
    PayloadIdentifier: `${identifier}.${sha256(login).slice(0, 16)}`,
    PayloadUUID: uuidOf(`account ${login}`),
    PayloadDisplayName: login,
    EmailAccountDescription: login,
    EmailAccountType: reading.kind === "pop3" ? "EmailTypePOP" : "EmailTypeIMAP",
    EmailAddress: login,
    ...server("IncomingMailServer", reading, login),
    ...server("OutgoingMailServer", sending, login),
    OutgoingPasswordSameAsIncomingPassword: true,
  }, "    ");
  const profile = dictionary({
    PayloadType: "Configuration",
    PayloadVersion: 1,
    PayloadIdentifier: identifier,
    PayloadUUID: uuidOf(`profile ${login}`),
    PayloadDisplayName: `Mail of ${login}`,
    PayloadOrganization: domain,
  }, "");
  const end = profile.lastIndexOf("</dict>");
  const content = `  <key>PayloadContent</key>\n  <array>\n${account}  </array>\n`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" ' +
    '"http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<plist version="1.0">',
    `${profile.slice(0, end)}${content}${profile.slice(end)}</plist>`,
    "",
  ].join("\n");
}

function server(prefix: string, { hostname, port, tls: _tls }: ClientServer, login: string) {
  return {
    [`${prefix}Authentication`]: "EmailAuthPassword",
    [`${prefix}HostName`]: hostname,
    [`${prefix}PortNumber`]: port,
    // Of both ways: a device finds out by the port.
    [`${prefix}UseSSL`]: true,
    [`${prefix}Username`]: login,
  };
}

type Value = string | number | boolean;

function dictionary(values: Readonly<Record<string, Value>>, indent: string): string {
  const lines = Object.entries(values).flatMap(([key, value]) => [
    `${indent}  <key>${escapeXml(key)}</key>`,
    `${indent}  ${formatValue(value)}`,
  ]);
  return [`${indent}<dict>`, ...lines, `${indent}</dict>`, ""].join("\n");
}

function formatValue(value: Value): string {
  switch (typeof value) {
    case "boolean":
      return `<${value}/>`;
    case "number":
      return `<integer>${value}</integer>`;
    default:
      return `<string>${escapeXml(value)}</string>`;
  }
}

function reversed(domain: string): string {
  return domain.split(".").reverse().join(".");
}

/** The same for the same, in the form of a random one (RFC 9562 §5.8). */
function uuidOf(text: string): string {
  const hex = sha256(text);
  const variant = (8 + parseInt(hex[16]!, 16) % 4).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${
    hex.slice(17, 20)
  }-${hex.slice(20, 32)}`;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
