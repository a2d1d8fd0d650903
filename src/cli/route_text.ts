/**
 * Routes as they are written on a command line: `example.org=smtp:relay.example.net:587`. A station
 * takes the same as values (`RouteOptions`); here is only the text.
 *
 * @module
 */

import { domainPatternKey, patternsOf } from "../domain_pattern.ts";
import type { Credentials } from "../routing/route.ts";
import type { RouteOptions, ViaOptions, WayOptions } from "../routing/route_table.ts";
import { UsageError } from "./exit.ts";
import { readListenAddress } from "./values.ts";

/** What `--route` takes, for the help of commands. */
export const ROUTE_HELP = [
  "Mail for other domains goes to whoever DNS names (MX), unless --route DOMAIN=WAY says otherwise.",
  "DOMAIN may be a list (a.example,b.example), .example.org for all below it, or '*' for all else.",
  "WAY is mx, mx:PORT, smtp:HOST[:PORT], smtps:HOST[:PORT] (TLS from the start), lmtp:ADDR:PORT,",
  "lmtp:unix:PATH, 'pipe:PROGRAM ARGUMENT ...', or hold, which keeps mail until it is asked for (ETRN);",
  "hold:WAY says how it goes then. FILE of --credentials has lines of HOST[:PORT] USER PASSWORD;",
  "they are used for these hosts, and only over TLS that proves to be theirs.",
].join("\n");

/**
 * Reads `DOMAIN[,DOMAIN]=WAY`.
 *
 * @param credentials by host in lower case.
 * @throws {UsageError} saying what is wanted.
 *
 * @example
 * ```ts
 * import { readRoute } from "./route_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readRoute("*=smtp:relay.example.net:2525", new Map()), {
 *   domains: ["*"],
 *   via: { kind: "smarthost", host: "relay.example.net", port: 2525 },
 * });
 * ```
 */
export function readRoute(
  text: string,
  credentials: ReadonlyMap<string, Credentials>,
): RouteOptions {
  const equals = text.indexOf("=");
  const domains = text.slice(0, Math.max(equals, 0)).split(",").filter((domain) => domain !== "");
  const via = readVia(text.slice(equals + 1), credentials);
  if (domains.length > 0 && via !== null) return { domains, via };
  throw new UsageError(
    `--route ${text}: wanted DOMAIN=WAY, such as '*=smtp:relay.example.net:587' or example.org=hold`,
  );
}

function readVia(text: string, credentials: ReadonlyMap<string, Credentials>): ViaOptions | null {
  if (text === "hold") return { kind: "hold" };
  if (text.startsWith("hold:")) {
    const then = readWay(text.slice("hold:".length), credentials);
    return then && { kind: "hold", then };
  }
  if (!text.startsWith("pipe:")) return readWay(text, credentials);
  const [program = "", ...words] = text.slice("pipe:".length).split(/\s+/);
  return program === "" ? null : { kind: "pipe", program, arguments: words };
}

function readWay(text: string, credentials: ReadonlyMap<string, Credentials>): WayOptions | null {
  const mx = /^mx(?::(\d{1,5}))?$/.exec(text);
  if (mx !== null) return { kind: "mx", ...(mx[1] !== undefined && { port: Number(mx[1]) }) };
  if (text.startsWith("lmtp:")) {
    return { kind: "lmtp", address: readListenAddress("--route", text.slice("lmtp:".length)) };
  }
  const relay = /^(smtps?):(?:\[([\da-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(text);
  const host = relay?.[2] ?? relay?.[3];
  if (host === undefined) return null;
  const port = relay?.[4];
  const name = host.toLowerCase();
  const login = credentials.get(`${name}:${port ?? ""}`) ?? credentials.get(name);
  return {
    kind: "smarthost",
    host,
    ...(port !== undefined && { port: Number(port) }),
    ...(relay?.[1] === "smtps" && { implicitTls: true }),
    ...(login && { credentials: login }),
  };
}

/**
 * The routes with mail for these domains taken from anybody. Each goes the way that is said for it, for a
 * domain above it or for all, else to whoever DNS names; nothing beside them is taken, though it be named in
 * the same route.
 *
 * @example
 * ```ts
 * import { acceptDomains } from "./route_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const via = { kind: "smarthost", host: "relay.example.net" } as const;
 * assertEquals(acceptDomains([{ domains: ["a.example", "b.example"], via }], ["a.example"]), [
 *   { domains: ["a.example"], via, accept: true },
 *   { domains: ["b.example"], via },
 * ]);
 * ```
 */
export function acceptDomains(
  routes: readonly RouteOptions[],
  domains: readonly string[],
): RouteOptions[] {
  const wanted = new Set(domains.map(domainPatternKey));
  const named = routes.flatMap((route) => {
    const accepted = route.domains.filter((domain) => wanted.delete(domainPatternKey(domain)));
    const others = route.domains.filter((domain) => !accepted.includes(domain));
    return [
      ...(accepted.length > 0 ? [{ ...route, domains: accepted, accept: true }] : []),
      ...(others.length > 0 ? [{ ...route, domains: others }] : []),
    ];
  });
  const others = [...wanted].map((domain) => ({
    domains: [domain],
    via: wayAbove(routes, domain),
    accept: true,
  }));
  return [...named, ...others];
}

/** The way of a domain that no route names itself. */
function wayAbove(routes: readonly RouteOptions[], domain: string): ViaOptions {
  for (const pattern of [...patternsOf(domain), "*"]) {
    const route = routes.find(({ domains }) => domains.map(domainPatternKey).includes(pattern));
    if (route !== undefined) return route.via;
  }
  return { kind: "mx" };
}

/**
 * Reads a file of credentials: lines of `HOST USER PASSWORD`, and comments. `HOST:PORT` is for a route that
 * names this port, and goes before `HOST`.
 *
 * @throws {UsageError} naming the line; never with what stands in it, which is a secret.
 */
export function readCredentialLines(text: string, path: string): Map<string, Credentials> {
  const credentials = new Map<string, Credentials>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const words = /^\s*(\S+)\s+(\S+)\s+(.*\S)\s*$/.exec(line);
    if (words === null) {
      throw new UsageError(`--credentials ${path}:${index + 1}: wanted HOST USER PASSWORD`);
    }
    const [, host = "", user = "", password = ""] = words;
    credentials.set(host.toLowerCase(), { user, password });
  }
  return credentials;
}
