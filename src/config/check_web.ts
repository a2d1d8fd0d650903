/**
 * The site and the certificates of an authority: that there is something to show, and a way to prove names.
 *
 * @module
 */

import type { Finding, Parts } from "./parts.ts";

/** What is wrong with them. */
export function checkWeb({ web, acme, certificates }: Parts): Finding[] {
  const findings: Finding[] = [];
  const listeners = web?.listeners ?? [];
  if (certificates.length === 0 && !acme) {
    for (const [index, { tls }] of listeners.entries()) {
      if (!tls) continue;
      findings.push({
        ...{ path: ["web", "listeners", index], of: "value" },
        message: "listens for TLS, and there is no certificate",
        hint: "give tls.certificates, or get them by acme",
      });
    }
  }
  if (!acme) return findings;
  const { challenge, dnsHook } = acme;
  const inClear = listeners.some(({ tls }) => !tls);
  const secure = listeners.some(({ tls }) => tls);
  const miss = (message: string, hint: string) =>
    findings.push({ ...{ path: ["acme", "challenge"], of: "value" }, message, hint });
  if (challenge === "http-01" && !inClear) {
    miss(
      "found http-01, and no listener of web is in clear",
      'add { address: "[::]:80", tls: false } to web.listeners',
    );
  }
  if (challenge === "tls-alpn-01" && !secure) {
    miss("found tls-alpn-01, and no listener of web has TLS", 'add "[::]:443" to web.listeners');
  }
  for (const [index, name] of acme.names.entries()) {
    if (!name.startsWith("*.") || challenge === "dns-01") continue;
    findings.push({
      ...{ path: ["acme", "names", index], of: "value" },
      message: `found ${name}, and ${challenge} proves no wildcard`,
      hint: "use dns-01, or write the names",
    });
  }
  if (challenge === "dns-01" && dnsHook === undefined) {
    miss("found dns-01 without acme.dnsHook", "name the program that publishes TXT records");
  }
  return findings;
}
