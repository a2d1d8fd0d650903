/**
 * Certificates that the server gets by itself: whether they are there, what keeps them from coming, and whether those
 * that come are shown at all.
 *
 * @module
 */

import { acmeFolder } from "../../config/paths.ts";
import { acmeNames } from "../../config/site.ts";
import { certificatePath, CertificateStore, type FailedOrder } from "../acme/certificate_store.ts";
import type { KeptCertificate } from "../acme/certificate_store.ts";
import type { Challenge } from "../acme/authority.ts";
import { canProve, renewalOf } from "../acme/managed_certificates.ts";
import { coversName, readChain } from "./certificate_chain.ts";
import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";

const { ok, warning, error } = findingsOf("certificates");

const DAY = 86_400_000;
/** A renewal that fails is tried each day at least. */
const LATE = 2 * DAY;

/** What is wrong with them. */
export async function checkAcme(context: CheckContext): Promise<CheckFinding[]> {
  const { loaded, paths, runtime: { files } } = context;
  if (loaded === null || paths === null || loaded.config.acme === undefined) return [];
  const findings = [...checkChallenge(context), ...checkShown(context)];
  const folder = acmeFolder(paths);
  const store = new CertificateStore(files, folder);
  const names = acmeNames(loaded.config);
  // What may not be looked at throws, which is told; the store takes it for nothing.
  for (const name of names) await files.stat(certificatePath(folder, name));
  const failures = await store.failures();
  for (const name of names) {
    const kept = await store.certificate(name);
    findings.push(describe(name, kept, failures.get(name), context));
  }
  return findings;
}

function describe(
  name: string,
  kept: KeptCertificate | null,
  failure: FailedOrder | undefined,
  { loaded, now, server }: CheckContext,
): CheckFinding {
  const { challenge, renewBefore } = loaded!.config.acme!;
  const day = (time: number) => new Date(time).toISOString().slice(0, 10);
  const why = failure === undefined ? "" : `: ${failure.reason}`;
  if (kept === null || kept.temporary) {
    if (failure !== undefined) {
      const times = failure.times === 1 ? "once" : `${failure.times} times in a row`;
      return warning(
        `no certificate for ${name} (failed ${times})${why}`,
        adviceOn(challenge, failure),
      );
    }
    return server === null
      ? ok(`for ${name}: yizhan serve gets one from the authority`)
      : warning(`the authority has not given one for ${name} yet`, "wait a minute; yizhan status");
  }
  const days = Math.floor((kept.to - now) / DAY);
  if (kept.to < now) {
    return error(`that for ${name} expired on ${day(kept.to)}${why}`, adviceOn(challenge, failure));
  }
  const renewal = renewalOf(kept, renewBefore);
  if (renewal + LATE < now) {
    const what = `that for ${name} expires on ${day(kept.to)}, and was not renewed${why}`;
    return warning(
      what,
      failure === undefined ? "the server renews it: yizhan serve" : adviceOn(challenge, failure),
    );
  }
  return ok(`for ${name}: good for ${days} days, renewed about ${day(renewal)}`);
}

/** What to look at where an order failed. */
function adviceOn(challenge: Challenge, failure: FailedOrder | undefined): string {
  if (!failure?.reason.startsWith("Network Error")) return ADVICE[challenge];
  return "this machine must get out to the authority (acme.directory)";
}

/** What to look at where a name cannot be proved. */
const ADVICE = {
  "http-01": "the name must lead to this host, and its port 80 to a listener of web in clear",
  "tls-alpn-01": "the name must lead to this host, and its port 443 to a listener of web with TLS",
  "dns-01": "does acme.dnsHook end only when the record can be seen from everywhere?",
} as const;

/** Authorities ask at these ports only (RFC 8555 §8.3, RFC 8737 §3). */
function checkChallenge({ loaded }: CheckContext): CheckFinding[] {
  const { acme, web } = loaded!.config;
  const { challenge } = acme!;
  if (!canProve(challenge)) {
    const advice = "acme.challenge: http-01 or dns-01; or the single binary, which can";
    return [error(`Deno's TLS cannot do ${challenge}: the server does not start so`, advice)];
  }
  if (challenge === "dns-01") return [];
  const port = challenge === "http-01" ? 80 : 443;
  const found = web.listeners.filter(({ tls }) => tls === (port === 443));
  const fits = found.some(({ address }) => address.transport === "unix" || address.port === port);
  if (fits) return [];
  const what =
    `authorities look for proofs by ${challenge} at port ${port}, where web does not listen`;
  return [warning(what, `listen on [::]:${port}, unless something leads that port here`)];
}

/** Of two certificates for a name the first is shown: that of the configuration. */
function checkShown({ loaded }: CheckContext): CheckFinding[] {
  const { config, certificates } = loaded!;
  return certificates.flatMap(({ certificate }, index) => {
    const [leaf] = readChain(certificate);
    const names = acmeNames(config).filter((name) => leaf !== undefined && coversName(leaf, name));
    const file = config.tls.certificates[index]?.certificate;
    if (names.length === 0 || file === undefined) return [];
    return [{
      ...warning(
        `is shown for ${names.join(", ")} in place of that of acme`,
        "take it out of tls.certificates, or the names out of acme.names",
      ),
      file,
    }];
  });
}
