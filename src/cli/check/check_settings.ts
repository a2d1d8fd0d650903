/**
 * Settings that are lost: that can be written, and change nothing, or open more than they look like. Pure.
 *
 * @module
 */

import { domainKey } from "../../address.ts";
import { asksDns, policyPlan } from "../../config/policies/build.ts";
import type { KeyPath } from "../../config/problems.ts";
import { dmarcReportSettings, tlsReportSettings } from "../../config/reports.ts";
import type { Config } from "../../config/schema.ts";
import { domainPatternKey } from "../../domain_pattern.ts";
import { isLoopback } from "../../net_address.ts";
import type { SocketAddress } from "../../runtime/network.ts";
import { atKey, type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";

/** What is lost, and what is too open. */
export function checkSettings({ loaded, users }: Pick<CheckContext, "loaded" | "users">) {
  if (loaded === null) return [];
  const { config } = loaded;
  const findings: CheckFinding[] = [];
  const tell = (key: KeyPath, message: string, advice?: string) =>
    void findings.push(atKey(loaded, "settings", key, message, advice));
  const ours = new Set([...config.domains.map(domainKey), ...users?.table.domains ?? []]);
  checkRoutes(config, ours, tell);
  checkListeners(config, users, tell);
  checkSite(config, tell);
  checkReports(config, ours, tell);
  for (const domain of Object.keys(config.queue.retryDomains)) {
    if (!ours.has(domainPatternKey(domain))) continue;
    const message = `mail for ${domain} ends here, so this has no effect`;
    tell(["queue", "retryDomains", domain], message);
  }
  if (config.relay.enabled && config.queue.paused) {
    const message = "mail is taken and none is sent on";
    tell(["queue", "paused"], message, "set it to false when you are done");
  }
  if (
    !config.relay.enabled && !asksDns(policyPlan(config)) && config.relay.nameServers.length > 0
  ) {
    tell(["relay", "nameServers"], "nobody is asked for names while relay.enabled is false");
  }
  if (!config.drop.enabled && Object.keys(config.drop.senders).length > 0) {
    tell(["drop", "senders"], "this has no effect while drop.enabled is false");
  }
  const monitor = config.monitor.address;
  if (monitor !== undefined && isOpen(monitor)) {
    const advice = "listen on 127.0.0.1 or a unix socket, or keep others out by a firewall";
    tell(["monitor", "address"], "whoever gets there sees the metrics", advice);
  }
  return findings.length > 0
    ? findings
    : [findingsOf("settings").ok("every setting has an effect")];
}

type Tell = (key: KeyPath, message: string, advice?: string) => void;
type Via = Config["relay"]["routes"][number]["via"];

function checkRoutes({ relay, listeners }: Config, ours: ReadonlySet<string>, tell: Tell): void {
  const takesEtrn = listeners.some(({ role }) => role === "mx");
  for (const [index, { domains, via }] of relay.routes.entries()) {
    const path = ["relay", "routes", index];
    domains.forEach((domain, at) => {
      if (!ours.has(domainPatternKey(domain))) return;
      const message =
        `mail for ${domain} ends here (it is in domains, or in the users file), so the ` +
        "route is never taken";
      tell([...path, "domains", at], message, "take it out here or there");
    });
    if (via.kind === "hold" && !takesEtrn) {
      const advice = "yizhan queue retry --to DOMAIN still does; or add a listener of role mx";
      tell([...path, "via"], "without a listener of role mx nobody can ask by ETRN", advice);
    }
    checkWay(via.kind === "hold" ? via.then : via, [...path, "via"], tell);
  }
}

function checkWay(via: Exclude<Via, { kind: "hold" }>, path: KeyPath, tell: Tell): void {
  if (via.kind !== "mx" && via.kind !== "smarthost") return;
  const credentials = via.kind === "smarthost" ? via.credentials : undefined;
  const verifies = via.tls === "verified" || (credentials && !credentials.allowUnverified) ||
    (via.kind === "mx" && via.mtaSts && via.tls !== "none");
  if (via.authorities.length > 0 && !verifies) {
    // REQUIRETLS still verifies.
    tell([...path, "authorities"], "no certificate is verified for this route", "tls: verified");
  }
  if (credentials?.allowUnverified) {
    const message = "the password is said to whoever answers at that address";
    tell(
      [...path, "credentials", "allowUnverified"],
      message,
      "give authorities, and leave this out",
    );
  }
}

function checkListeners(
  { listeners, tls, relay }: Config,
  users: CheckContext["users"],
  tell: Tell,
): void {
  const canLogIn = users?.table.users.values().some(({ verifier }) => verifier !== null) ?? true;
  let wantsTls = false;
  for (const [index, { role, address, extensions }] of listeners.entries()) {
    const path = ["listeners", index];
    wantsTls ||= role !== "lmtp";
    if (!role.startsWith("submission") && extensions.auth !== undefined) {
      const message = `nobody logs in at a listener of role ${role}`;
      tell([...path, "extensions", "auth"], message, "users send by submission or submissions");
    }
    if (role.startsWith("submission") && !canLogIn) {
      tell(
        [...path, "role"],
        "no user has a password, so nobody can send here",
        "yizhan user passwd",
      );
    }
    if (role === "lmtp" && isOpen(address)) {
      const advice = "use a unix socket, or listen on 127.0.0.1";
      tell([...path, "address"], "LMTP is for servers of yours; others can get there too", advice);
    }
    if (!relay.enabled && (extensions.dsn || extensions.binaryMime)) {
      const name = extensions.dsn ? "dsn" : "binaryMime";
      tell([...path, "extensions", name], "this is promised and cannot be kept without a queue");
    }
  }
  if (!wantsTls && tls.certificates.length > 0) {
    tell(["tls", "certificates"], "no listener uses TLS: LMTP has none here");
  }
  const takesMail = listeners.some(({ role }) => role === "mx" || role === "lmtp");
  if (!takesMail && users !== null && users.table.users.size > 0) {
    const message = "other servers have no listener of role mx to bring mail to";
    tell(["listeners"], message, 'add { role: mx, address: "[::]:25" }');
  }
}

/** Who obeys a policy of MTA-STS connects to the hosts that it lists only (RFC 8461 §4.1). */
function checkSite({ hostname, web: { listeners, mtaSts } }: Config, tell: Tell): void {
  const { mode, mx } = mtaSts;
  if (!listeners.some(({ tls }) => tls)) {
    if (mode !== "enforce" && mx.length === 0) return;
    const message = "this server shows the policy to nobody: web.listeners has none with TLS";
    tell(["web", "mtaSts"], message, 'add { address: "[::]:443" } to web.listeners');
    return;
  }
  if (mode === "none" || mx.length === 0 || mx.some((one) => coversHost(one, hostname))) return;
  const message = `${hostname} is not among them: who obeys the policy brings it no mail`;
  tell(["web", "mtaSts", "mx"], message, "add it, or leave mx out; then publish the new id");
}

/** A wildcard stands for one label (RFC 8461 §4.1); patterns are in lower case. */
function coversHost(pattern: string, hostname: string): boolean {
  const host = domainKey(hostname);
  return pattern.startsWith("*.")
    ? host.slice(host.indexOf(".") + 1) === pattern.slice(2)
    : host === pattern;
}

/** Who gets a report believes it where DKIM proves that it is from whom it names (RFC 8460 §5.3). */
function checkReports(config: Config, ours: ReadonlySet<string>, tell: Tell): void {
  const { reports, hostname } = config;
  const own = [...ours, domainKey(hostname)];
  const names = { dmarc: dmarcReportSettings(config), tls: tlsReportSettings(config) } as const;
  const told = new Set<string>();
  for (const kind of ["dmarc", "tls"] as const) {
    const contact = names[kind]?.contact;
    if (contact === undefined || told.has(contact)) continue;
    const domain = domainKey(contact.slice(contact.lastIndexOf("@") + 1));
    if (own.some((one) => domain === one || domain.endsWith(`.${one}`))) continue;
    told.add(contact);
    const key = ["reports", kind, "contact"];
    tell(
      reports[kind].contact === undefined ? ["mail", "postmaster"] : key,
      `reports go out in the name of ${contact}, whose domain is not of this server`,
      `others take them for forged: give an address of yours as ${key.join(".")}`,
    );
  }
}

/** Whether others than this machine can get there. A name other than localhost may lead anywhere. */
function isOpen(address: SocketAddress): boolean {
  return address.transport === "tcp" && address.hostname !== "localhost" &&
    !isLoopback(address.hostname);
}
