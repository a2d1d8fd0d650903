/**
 * A policy of MTA-STS of our own that is enforced, beside the certificates: others who obey it give no mail to a host
 * that shows none of an authority for the name in the MX (RFC 8461 §4.2), and we hear of it by nobody's mail only.
 *
 * Names other than the host's own count where DNS leads them here. Whether the MX is as the policy has it is for
 * `yizhan dns`.
 *
 * @module
 */

import type { X509Certificate } from "node:crypto";
import { mailDomainsOf } from "../../admin/mail_host.ts";
import { decode } from "../../bytes.ts";
import { acmeFolder } from "../../config/paths.ts";
import { acmeNames, ownStsPolicy } from "../../config/site.ts";
import { stsCovers, type StsPolicy } from "../../delivery/sts/policy.ts";
import { canonicalIp } from "../../net_address.ts";
import type { Resolver } from "../../runtime/resolver.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { certificatePath } from "../acme/certificate_store.ts";
import { thisRuntime } from "../machine.ts";
import { coversName, readChain } from "./certificate_chain.ts";
import { atKey, type CheckContext, type CheckFinding } from "./finding.ts";

/** Domains and names that are asked for. */
const MOST_NAMES = 20;
/** Milliseconds for all questions. */
const PATIENCE = 3000;
/** Octets of a chain. */
const LIMIT = 1 << 20;

const ADVICE =
  "get one from an authority that all know; until then web.mtaSts.mode: testing, and " +
  "publish the record's new id";

/** What others who obey the policy would stumble over. */
export async function checkSts(
  context: Pick<CheckContext, "loaded" | "users" | "paths" | "runtime">,
): Promise<CheckFinding[]> {
  const { loaded, users } = context;
  if (loaded === null || loaded.config.web.mtaSts.mode !== "enforce") return [];
  const { config, certificates } = loaded;
  const policy = ownStsPolicy(config);
  const domains = mailDomainsOf(config, users?.table.domains ?? []);
  if (policy === null || domains.length === 0) return [];
  if (!config.listeners.some(({ role }) => role === "mx")) return [];
  // Those that could not be read are problems of the configuration.
  if (certificates.length < config.tls.certificates.length) return [];
  const shown = await shownLeaves(context);
  const faults = (await namesHere(context, policy, domains)).flatMap((name) => {
    const leaf = shown.find((one) => coversName(one, name));
    if (leaf === undefined) return [`no certificate is for ${name}`];
    return leaf.checkIssued(leaf) ? [`the certificate for ${name} is self-signed`] : [];
  });
  return faults.map((fault) => {
    const what = `enforce, and ${fault}: who obeys the policy sends no mail here`;
    return atKey(loaded, "certificates", ["web", "mtaSts", "mode"], what, ADVICE);
  });
}

/** The certificates themselves, of the configuration, then of an authority by acme: the first that fits is shown. */
async function shownLeaves(
  { loaded, paths, runtime: { files } }: Pick<CheckContext, "loaded" | "paths" | "runtime">,
): Promise<X509Certificate[]> {
  const chains = loaded!.certificates.map(({ certificate }) => certificate);
  for (const name of paths === null ? [] : acmeNames(loaded!.config)) {
    const path = certificatePath(acmeFolder(paths!), name);
    chains.push(
      await files.readFile(path, LIMIT).then(decode, (error) => {
        if (errorCode(error) === "ENOENT") return "";
        throw error;
      }),
    );
  }
  return chains.flatMap((chain) => readChain(chain).slice(0, 1));
}

/** The names by which others who obey the policy come to this host. */
async function namesHere(
  { loaded, runtime }: Pick<CheckContext, "loaded" | "runtime">,
  policy: StsPolicy,
  domains: readonly string[],
): Promise<string[]> {
  const { relay, addresses, ...config } = loaded!.config;
  const hostname = config.hostname.toLowerCase();
  const own = stsCovers(policy, hostname) ? [hostname] : [];
  // Where nothing is sent on, nobody is asked for names.
  if (!relay.enabled) return own;
  const { nameServers } = relay;
  const { resolver } = nameServers.length > 0 ? thisRuntime({ nameServers }) : runtime;
  const signal = AbortSignal.timeout(PATIENCE);
  const answers = await Promise.all(
    domains.slice(0, MOST_NAMES).map((domain) => resolver.mx(domain, signal)),
  );
  const mx = answers.flatMap((answer) =>
    answer.status === "found" ? answer.records.map(({ exchange }) => exchange) : []
  );
  const wanted = [...mx, ...policy.mx.filter((name) => !name.startsWith("*."))];
  const others = [...new Set(wanted)].filter((name) =>
    name !== "" && name !== hostname && stsCovers(policy, name)
  ).slice(0, MOST_NAMES);
  const ours = [...addresses.map(canonicalIp), ...await findAddresses(resolver, hostname, signal)];
  const here = await Promise.all(others.map(async (name) => {
    const found = await findAddresses(resolver, name, signal);
    return found.some((address) => ours.includes(address)) ? [name] : [];
  }));
  return [...mx.length === 0 || mx.includes(hostname) ? own : [], ...here.flat()];
}

async function findAddresses(
  resolver: Resolver,
  name: string,
  signal: AbortSignal,
): Promise<string[]> {
  const answers = await Promise.all([resolver.a(name, signal), resolver.aaaa(name, signal)]);
  return answers.flatMap((one) => one.status === "found" ? one.records.map(canonicalIp) : []);
}
