/**
 * Names: that the host name leads somewhere, and that every name server answers. All of it may pass by itself, so
 * nothing here is an error. Whether they are believed about DNSSEC is asked meanwhile (`check_dnssec.ts`); what DNS
 * should say of the domains is for `yizhan dns`.
 *
 * @module
 */

import { toAsciiDomain } from "../../address.ts";
import { mailHostOf } from "../../admin/mail_host.ts";
import type { Config } from "../../config/schema.ts";
import { acmeNames } from "../../config/site.ts";
import { parseResolvConf } from "../../runtime/resolv_conf.ts";
import type { Resolver } from "../../runtime/resolver.ts";
import { decode } from "../../bytes.ts";
import { thisRuntime } from "../machine.ts";
import { isNotCapable, isUnpermitted, NOT_PERMITTED } from "../trouble.ts";
import { checkDnssec } from "./check_dnssec.ts";
import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";

const { ok, warning } = findingsOf("names");

/** Names of the site that are asked for. */
const MOST_NAMES = 20;
/** Milliseconds for all questions of one name server. */
const PATIENCE = 3000;

/** Who does not answer, who is believed, and what is not known. */
export async function checkNames(context: CheckContext): Promise<CheckFinding[]> {
  // At once: a name server that is silent is waited for once.
  const [names, dnssec] = await Promise.all([checkServers(context), checkDnssec(context)]);
  return [...names, ...dnssec];
}

async function checkServers({ loaded, runtime }: CheckContext): Promise<CheckFinding[]> {
  // Where nothing is sent on, nobody is asked for names.
  if (loaded === null || !loaded.config.relay.enabled) return [];
  const { hostname, relay } = loaded.config;
  const configured = relay.nameServers.length > 0;
  const servers = configured ? relay.nameServers : await readServers(runtime.files);
  if (servers === null) return [warning(`/etc/resolv.conf cannot be read: ${NOT_PERMITTED}`)];
  if (servers.length === 0) {
    return [warning(
      "/etc/resolv.conf names no name server: no mail can be sent on",
      "name one there, or in relay.nameServers",
    )];
  }
  // Two at once: there are few.
  const asked = await Promise.all(servers.map((server) => askServer(server, hostname)));
  const findings = asked.map(({ finding }) => finding);
  const answers = asked.flatMap(({ addresses }) => addresses === null ? [] : [addresses]);
  if (answers.length === 0) return findings;
  const addresses = answers.find((one) => one.length > 0) ?? [];
  findings.push(
    addresses.length > 0 ? ok(`${hostname} is ${addresses.join(", ")}`) : warning(
      `${hostname} has no address in DNS: servers that look turn its mail away`,
      "yizhan dns shows the records to publish",
    ),
  );
  if (addresses.length === 0) return findings;
  const { resolver } = thisRuntime(configured ? { nameServers: servers } : {});
  for (const name of webNames(loaded.config)) {
    findings.push(...await checkWebName(resolver, name, addresses));
  }
  return findings;
}

/** Names of the site that others look for on this host, of the first domains. */
function webNames(config: Config): string[] {
  const { hostname, acme, domains } = config;
  const proved = acme !== undefined && acme.challenge !== "dns-01" ? acmeNames(config) : [];
  const ofSite = mailHostOf(config).site?.names ?? [];
  const shown = domains.flatMap((domain) =>
    ofSite.map((name) => `${name}.${toAsciiDomain(domain) ?? domain}`)
  );
  const names = new Set([...proved, ...shown]);
  names.delete(hostname.toLowerCase());
  return [...names].slice(0, MOST_NAMES);
}

/** Whether a name leads to this host too. */
async function checkWebName(
  resolver: Resolver,
  name: string,
  ours: readonly string[],
): Promise<CheckFinding[]> {
  const signal = AbortSignal.timeout(PATIENCE);
  const answers = await Promise.all([resolver.a(name, signal), resolver.aaaa(name, signal)]);
  const found = answers.flatMap((one) => one.status === "found" ? one.records : []);
  if (found.some((address) => ours.includes(address))) return [];
  if (found.length > 0) {
    const what = `${name} leads to ${found.join(", ")}, not to this host (${ours.join(", ")})`;
    return [warning(what, "fine where something there leads on to this host")];
  }
  if (answers.some(({ status }) => status === "failed")) return [];
  const what = `${name} has no address in DNS: nobody finds the site by it`;
  return [warning(what, "yizhan dns shows the records to publish")];
}

/** `null`: Deno does not let us read who they are. */
async function readServers(files: CheckContext["runtime"]["files"]): Promise<string[] | null> {
  const text = await files.readFile("/etc/resolv.conf", 65_536).then(
    decode,
    (error) => isNotCapable(error) ? null : "",
  );
  if (text === null) return null;
  return parseResolvConf(text).map(({ address, port }) =>
    address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`
  );
}

/** Asks one server for the addresses of the host; `null`: it did not say. */
async function askServer(server: string, hostname: string) {
  const { resolver } = thisRuntime({ nameServers: [server] });
  const signal = AbortSignal.timeout(PATIENCE);
  const answers = await Promise.all([
    resolver.a(hostname, signal),
    resolver.aaaa(hostname, signal),
  ]);
  const silent = answers.find((answer) => answer.status === "failed");
  if (silent?.status === "failed" && isUnpermitted(silent.reason)) {
    const what = `the name server ${server} cannot be tried: ${NOT_PERMITTED}`;
    return { finding: warning(what), addresses: null };
  }
  if (silent?.status === "failed") {
    const reason = signal.aborted ? `nothing within ${PATIENCE / 1000} seconds` : silent.reason;
    const what = `the name server ${server} gives no answer: ${reason}`;
    const advice = "mail that goes on waits while no name server answers";
    return { finding: warning(what, advice), addresses: null };
  }
  const addresses = answers.flatMap((one) => one.status === "found" ? one.records : []);
  return { finding: ok(`the name server ${server} answers`), addresses };
}
