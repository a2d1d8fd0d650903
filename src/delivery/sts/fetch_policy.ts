/**
 * Fetches the policy of a domain from where RFC 8461 §3.3 says that it is. The certificate of that web server is all that
 * vouches for it, so nothing is taken that is not exactly as it should be: no redirect, no other status or type.
 *
 * What fails: nothing is thrown; a fault says what was wrong, in the words of reports (RFC 8460 §4.3.2.2).
 *
 * @module
 */

import type { Network } from "../../net_address.ts";
import { type HttpsServices, requestHttps } from "../https/request.ts";
import { mediaTypeOf } from "../https/response_decoder.ts";
import type { TlsFault } from "../tls_guard.ts";
import { parseStsPolicy, STS_POLICY_LIMIT, type StsPolicy } from "./policy.ts";

/** What else a fetch goes by, from the route of the domain. */
export interface StsFetchOptions {
  /** More roots to trust, PEM. */
  readonly authorities?: readonly string[];
  /** Addresses that may be connected to though they are loopback, link-local or the like. */
  readonly allowAddresses?: readonly Network[];
  /** Nobody waits any more. */
  readonly signal?: AbortSignal;
}

/** Milliseconds that a fetch may take (RFC 8461 §3.3: "1 minute"). */
const PATIENCE = 60_000;

/** Fetches a policy. @param domain in A-labels. */
export async function fetchStsPolicy(
  services: HttpsServices,
  domain: string,
  options: StsFetchOptions = {},
): Promise<StsPolicy | { readonly fault: TlsFault }> {
  const host = `mta-sts.${domain}`;
  const got = await requestHttps(services, {
    ...options,
    ...{ method: "GET", host, target: "/.well-known/mta-sts.txt" },
    headers: { "Accept": "text/plain", "User-Agent": "yizhan" },
    ...{ limit: STS_POLICY_LIMIT, patience: PATIENCE },
  });
  if ("stage" in got) {
    const { stage, reason, cause } = got;
    const type = stage === "tls" && isAboutCertificate(cause)
      ? "sts-webpki-invalid"
      : "sts-policy-fetch-error";
    return { fault: { type, text: `${host}: ${reason}` } };
  }
  if (got.status !== 200) {
    return { fault: { type: "sts-policy-fetch-error", text: `${host} answers ${got.status}` } };
  }
  const type = mediaTypeOf(got);
  if (type !== "text/plain") {
    const text = `${host} gives ${/^[\w.+/-]{1,60}$/.test(type) ? type : "no media type"}`;
    return { fault: { type: "sts-policy-invalid", text: `${text}, not text/plain` } };
  }
  const policy = parseStsPolicy(got.body);
  if (!("fault" in policy)) return policy;
  return {
    fault: { type: "sts-policy-invalid", text: `the policy of ${domain}: ${policy.fault}` },
  };
}

/** Whether a handshake failed since the certificate is not valid: `node:tls` and OpenSSL have many codes for that. */
function isAboutCertificate(cause: unknown): boolean {
  return cause instanceof Error && /certificat/i.test(cause.message);
}
