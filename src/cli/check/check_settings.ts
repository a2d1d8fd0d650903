/**
 * Settings that are lost: that can be written, and change nothing, or open more than they look like. Pure.
 *
 * @module
 */

import { domainKey } from "../../address.ts";
import type { KeyPath } from "../../config/problems.ts";
import type { Config } from "../../config/schema.ts";
import { domainPatternKey } from "../../domain_pattern.ts";
import { isLoopback } from "../../net_address.ts";
import type { SocketAddress } from "../../runtime/runtime.ts";
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
  for (const domain of Object.keys(config.queue.retryDomains)) {
    if (!ours.has(domainPatternKey(domain))) continue;
    const message = `mail for ${domain} ends here, so this has no effect`;
    tell(["queue", "retryDomains", domain], message);
  }
  if (config.relay.enabled && config.queue.paused) {
    const message = "mail is taken and none is sent on";
    tell(["queue", "paused"], message, "set it to false when you are done");
  }
  if (!config.relay.enabled && config.relay.nameServers.length > 0) {
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
  const verifies = via.tls === "verified" || (credentials && !credentials.allowUnverified);
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

/** Whether others than this machine can get there. A name other than localhost may lead anywhere. */
function isOpen(address: SocketAddress): boolean {
  return address.transport === "tcp" && address.hostname !== "localhost" &&
    !isLoopback(address.hostname);
}
