/**
 * DNSSEC: whether what the name servers say of it is believed, and why; and whether those that are believed check it at
 * all. Without both there is no DANE for mail that goes out (RFC 7672 §2.1), and nothing else tells of that.
 *
 * What fails: who cannot be read or asked is told by the check of names.
 *
 * @module
 */

import { decode } from "../../bytes.ts";
import type { Config } from "../../config/schema.ts";
import { DnsServers, RESOLV_CONF } from "../../runtime/dns_servers.ts";
import {
  formatNameServer,
  isForwarder,
  isLocalServer,
  type NameServer,
  parseNameServers,
  trustsAuthenticData,
} from "../../runtime/resolv_conf.ts";
import { thisRuntime } from "../machine.ts";
import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";

const { ok, warning, error } = findingsOf("dnssec");

/** Milliseconds for one name server. */
const PATIENCE = 3000;
/** In a zone that is signed wherever the root is the world's: who validates says so of any answer about it. */
const SIGNED = "org";
const ADVICE =
  "for DANE let one that validates run on this machine, such as Unbound, or name one " +
  "in relay.nameServers and say relay.dnssec: on where the way to it is safe";

/** Whether DANE works, and why not. */
export async function checkDnssec(
  { loaded, runtime }: Pick<CheckContext, "loaded" | "runtime">,
): Promise<CheckFinding[]> {
  if (loaded === null || !loaded.config.relay.enabled) return [];
  const { relay } = loaded.config;
  if (relay.dnssec === "off") {
    return [ok("nobody is believed about DNSSEC (relay.dnssec: off): no DANE for mail that goes")];
  }
  const given = relay.nameServers.length > 0;
  const text = given
    ? ""
    : await runtime.files.readFile(RESOLV_CONF, 65_536).then(decode, () => "");
  const known = await new DnsServers(
    runtime.clock,
    () => Promise.resolve(text),
    given ? parseNameServers(relay.nameServers) : undefined,
    relay.dnssec,
  ).inOrder();
  if (typeof known === "string") return [];
  const { servers, trusted } = known;
  if (!trusted) return [describeDoubt(servers, given, relay)];
  const why = relay.dnssec === "on"
    ? "relay.dnssec: on"
    : trustsAuthenticData(text)
    ? `trust-ad in ${RESOLV_CONF}`
    : "on this machine";
  return await Promise.all(servers.map((server) => tryServer(server, why, relay)));
}

/** Why they are not believed. */
function describeDoubt(
  servers: readonly NameServer[],
  given: boolean,
  relay: Config["relay"],
): CheckFinding {
  const handing = servers.filter(isForwarder);
  const away = servers.filter((server) => !isLocalServer(server));
  const why = handing.length > 0
    ? `${list(handing)} only hands on what others say`
    : `${list(away)} is not on this machine` +
      (given ? "" : `, and ${RESOLV_CONF} has no options trust-ad`);
  const what = `what ${list(servers)} says of DNSSEC is not believed: ${why}`;
  return demandsDane(relay)
    ? error(`${what}; mail of routes with tls: dane never goes`, ADVICE)
    : { ...ok(`${what}; no DANE for mail that goes`), advice: ADVICE };
}

/** Whether one that is believed checks DNSSEC. */
async function tryServer(
  server: NameServer,
  why: string,
  relay: Config["relay"],
): Promise<CheckFinding> {
  const who = formatNameServer(server);
  const { resolver } = thisRuntime({ nameServers: [who], dnssec: "on" });
  const answer = await resolver.mx(SIGNED, AbortSignal.timeout(PATIENCE));
  const believed = `what ${who} says of DNSSEC is believed (${why})`;
  if (answer.status === "failed") return ok(`${believed}; whether it validates is not known now`);
  if (answer.authenticated) return ok(`${believed}, and it validates: DANE works`);
  const what = `${believed}, but it does not validate`;
  if (demandsDane(relay)) {
    return warning(`${what}: mail of routes with tls: dane never goes`, ADVICE);
  }
  if (relay.dnssec === "on") return warning(`${what}: no DANE for mail that goes`, ADVICE);
  return { ...ok(`${what}: no DANE for mail that goes`), advice: ADVICE };
}

/** Whether some mail goes by DANE or not at all. */
function demandsDane({ routes }: Config["relay"]): boolean {
  return routes.some(({ via }) => {
    const way = via.kind === "hold" ? via.then : via;
    return (way.kind === "mx" || way.kind === "smarthost") && way.tls === "dane";
  });
}

function list(servers: readonly NameServer[]): string {
  return servers.map(formatNameServer).join(", ");
}
