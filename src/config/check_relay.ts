/**
 * The ways out: that no two routes are for the same domain, that none is without effect, that nothing is
 * an open relay and no password goes in clear. The table of the server is built at last, so that nothing
 * passes here that it would refuse later.
 *
 * @module
 */

import { domainKey } from "../address.ts";
import { parseDomainPattern } from "../domain_pattern.ts";
import { parseIp } from "../net_address.ts";
import { RouteTable } from "../routing/route_table.ts";
import type { Finding, Parts } from "./parts.ts";
import { formatKey, type KeyPath, quote } from "./problems.ts";
import type { WrittenConfig } from "./schema.ts";

type Route = WrittenConfig["relay"]["routes"][number];

/** What is wrong with the routes. */
export function checkRelay(parts: Parts): Finding[] {
  const { routes, domains, relayEnabled, relayFrom, dnssecOff } = parts;
  const ours = new Set(domains.filter((domain) => domain !== null).map(domainKey));
  const seen = new Map<string, KeyPath>();
  const findings: Finding[] = [];
  if (!relayEnabled) {
    for (const [key, list] of [["routes", routes], ["from", relayFrom]] as const) {
      if (list.length === 0) continue;
      findings.push({
        ...{ path: ["relay", key], of: "key" },
        message: "has no effect while relay.enabled is false",
        hint: "remove one of them",
      });
    }
  }
  for (const [index, route] of routes.entries()) {
    if (route === null) continue;
    const path = ["relay", "routes", index];
    const own = [
      ...route.domains.flatMap((domain, at) =>
        checkDomain(domain, route, [...path, "domains", at], ours, seen)
      ),
      ...checkTls(route, [...path, "via"]),
      ...checkDane(route.via, [...path, "via"], dnssecOff),
    ];
    findings.push(...own, ...(own.length > 0 ? [] : checkByTable(route, path)));
  }
  return findings;
}

function checkDomain(
  domain: string,
  route: Route,
  path: KeyPath,
  ours: ReadonlySet<string>,
  seen: Map<string, KeyPath>,
): Finding[] {
  const key = domain === "*" ? domain : parseDomainPattern(domain) ?? domain;
  const first = seen.get(key);
  if (first !== undefined) {
    const message = `found ${quote(domain)}, which ${formatKey(first)} names already`;
    return [{ path, of: "value", message, hint: "a domain can have one route" }];
  }
  seen.set(key, path);
  if (key === "*" && route.accept) {
    const message = 'found "*" with accept, which would relay for everybody';
    return [{ path, of: "value", message, hint: "name the domains, or leave accept out" }];
  }
  if (!ours.has(key)) return [];
  return [{
    ...{ path, of: "value" },
    message: `found ${quote(domain)}, a domain of ours: its mail ends here, and this has no effect`,
    hint: "remove it here or in domains",
  }];
}

/** A password goes to a host known to be the right one, unless somebody says otherwise in so many words. */
function checkTls({ via }: Route, path: KeyPath): Finding[] {
  if (via.kind === "hold") return checkTls({ via: via.then } as Route, [...path, "then"]);
  if (via.kind !== "smarthost" || via.credentials === undefined) return [];
  const { tls, credentials: { allowUnverified } } = via;
  if (tls === undefined || tls === "verified" || tls === "dane") return [];
  if (tls === "required" && allowUnverified) return [];
  const allowed = allowUnverified ? "required or verified" : "verified";
  return [{
    ...{ path: [...path, "tls"], of: "value" },
    message:
      `found ${tls} with credentials, which never go in clear or to a stranger; wanted ${allowed}`,
    ...(!allowUnverified && {
      hint: "credentials.allowUnverified offers them to whoever answers, with required",
    }),
  }];
}

/** What demands TLSA records wants them believed, and not switched off. */
function checkDane(via: Route["via"], path: KeyPath, dnssecOff: boolean): Finding[] {
  if (via.kind === "hold") return checkDane(via.then, [...path, "then"], dnssecOff);
  if ((via.kind !== "mx" && via.kind !== "smarthost") || via.tls !== "dane") return [];
  const wrongs = [
    via.dane === false && "dane: false",
    dnssecOff && "relay.dnssec: off",
    via.kind === "smarthost" && parseIp(via.host) !== null && "an address as its host",
  ];
  const wrong = wrongs.find((one) => one !== false);
  if (wrong === undefined) return [];
  return [{
    ...{ path: [...path, "tls"], of: "value" },
    message: `found dane with ${wrong}: TLSA records would never be believed, and mail never go`,
    hint: "remove one of them",
  }];
}

/** What the server itself would say. */
function checkByTable({ domains, accept, via }: Route, path: KeyPath): Finding[] {
  try {
    new RouteTable([{ domains, accept, via: stripped(via) as { kind: "mx" } }]);
    return [];
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const [, keys = "", message = error.message] =
      /^routes\[0\]((?:\.\w+)*): (.*)$/.exec(error.message) ??
        [];
    const inner = [...path, ...keys.split(".").slice(1)];
    const key = /^(\w+)\b/.exec(message)?.[1] ?? "";
    return [{ path: KEYS.has(key) ? [...inner, key] : inner, of: "value", message }];
  }
}

const KEYS = new Set([
  "host",
  "port",
  "connections",
  "processes",
  "arguments",
  "source",
  "program",
]);

/** Secrets and files are not read yet, and are no matter of the table's. */
function stripped(via: Route["via"]): object {
  if (via.kind === "hold") return { ...via, then: stripped(via.then) };
  if (via.kind !== "smarthost") return via;
  const { credentials, ...rest } = via;
  const kept = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return { ...kept, ...(credentials && { credentials: { ...credentials, password: "" } }) };
}
