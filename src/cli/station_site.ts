/**
 * The site of a station that serves: what its configuration and its directory say, and the proofs that are under way.
 *
 * @module
 */

import { domainKey, toAsciiDomain } from "../address.ts";
import type { Config } from "../config/schema.ts";
import { mailServiceOf, ownStsPolicyText } from "../config/site.ts";
import type { Directory } from "../directory/directory.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Site } from "../web/site.ts";
import { WebServer } from "../web/web_server.ts";
import type { Proofs } from "./acme/proofs.ts";

/** What a site is of; it changes by reloads. */
export interface SiteSource {
  readonly config: Config;
  readonly directory: Pick<Directory, "isLocalDomain">;
}

/** The servers of a site, which listen nowhere yet. */
export function siteServer(
  { network, clock }: Pick<Runtime, "network" | "clock">,
  source: () => SiteSource,
  proofs: Proofs,
  onFault: (error: unknown) => void,
): WebServer {
  return new WebServer({
    ...{ network, clock, onFault },
    site: () => siteOf(source(), proofs),
    proof: (name) => proofs.certificateOf(name),
    proves: () => proofs.byTls,
  });
}

/** What a site tells. */
export function siteOf({ config, directory }: SiteSource, proofs: Proofs): Site {
  return {
    isOurs: (domain) => directory.isLocalDomain(domainKey(domain)),
    service: (domain) => mailServiceOf(config, toAsciiDomain(domain) ?? domain),
    stsPolicy: () => ownStsPolicyText(config),
    challenge: (token) => proofs.textAt(token),
  };
}
